#!/usr/bin/env bash
# Builds phytotron-cuda with a CUDA compiler from PyPI, and checks it.
#
#     scripts/check-cuda.sh [check|build|test]
#
# `check` (minutes) checks the types of all that a build with CUDA compiles, and compiles our kernels. `build` (half an hour on two cores) leaves target/cuda/release/phytotron-cuda, to be put beside `phytotron`, and
# compiles the tests that need a GPU. Without a word the test-suite of the kernels and of the executor is run on the GPU
# as well, and their speed is measured beside PyTorch where that is installed: docs/cuda.md keeps what was printed.
# Where there is no GPU that part is left out, and said to be: only what a program says there is checked.
#
# The wheels bring no libcuda, which belongs to the driver: to link, one is made that has its names and knows no device.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-test}
folder=${CARGO_TARGET_DIR:-$PWD/target}/cuda
home=$folder/home
stand_in=$folder/stand-in
wheels=(
    nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-nvrtc==13.0.88 nvidia-curand==10.4.5.25 nvidia-cublas==13.0.2.14
)

# A folder as CUDA's own installer would make it, of links into the wheels.
make_home() {
    python3 -m pip install --quiet --no-deps --target "$folder/wheels" "${wheels[@]}"
    local wheel=$folder/wheels/nvidia/cu13 file name
    rm -rf "$home"
    mkdir -p "$home/lib/stubs"
    for name in bin include nvvm; do ln -s "$wheel/$name" "$home/$name"; done
    for file in "$wheel"/lib/*; do
        name=$(basename "$file")
        ln -s "$file" "$home/lib/$name"
        case $name in *.alt.*) ;; *.so.*) ln -sf "$file" "$home/lib/${name%%.so.*}.so" ;; esac
    done
    ln -s lib "$home/lib64"
    make_stub
}

# libcuda's names, as the bindings that candle uses declare them. All answer CUDA_ERROR_NO_DEVICE.
make_stub() {
    local bindings
    bindings=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -path '*/cudarc-*/src/driver/sys/mod.rs' | sort | tail -1)
    grep -oE "\bcu[A-Z][A-Za-z0-9_]*" "$bindings" | sort -u | sed "s/.*/int &(void) { return 100; }/" >"$folder/libcuda.c"
    cc -w -shared -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" "$folder/libcuda.c"
    ln -sf libcuda.so "$home/lib/stubs/libcuda.so.1"
}

# A compiler that leaves candle's kernels empty, which are most of a build's time, and of which a check needs none.
make_stand_in() {
    rm -rf "$stand_in"
    mkdir -p "$stand_in/bin"
    for name in include lib lib64 nvvm; do ln -s "$home/$name" "$stand_in/$name"; done
    cat >"$stand_in/bin/nvcc" <<END
#!/usr/bin/env bash
case "\$PWD \$*" in *--version*) ;; */candle-kernels-*) empty=yes ;; esac
[ "\${empty:-}" ] || exec "$home/bin/nvcc" "\$@"
while [ \$# -gt 0 ]; do
    case \$1 in
    --output-directory) folder=\$2 ;;
    -o) touch "\$2" ;;
    *.cu) name=\$(basename "\$1" .cu) ;;
    esac
    shift
done
[ -z "\${folder:-}" ] || touch "\$folder/\$name.ptx"
END
    chmod +x "$stand_in/bin/nvcc"
}

cargo fetch --locked
[ -e "$home/lib/stubs/libcuda.so" ] || make_home
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
# Without S3: a worker of these stages reads what the run has staged for it.
features=(--release --locked --no-default-features --features cuda)
if [ "$what" = check ]; then
    make_stand_in
    # In a folder of its own: cargo must not take what is empty for candle's kernels.
    CUDA_HOME=$stand_in PATH=$stand_in/bin:$PATH \
        cargo check "${features[@]}" --target-dir "$folder/check" --lib --bins --tests --example train_speed
    exit
fi
export CUDA_HOME=$home PATH=$home/bin:$PATH
export LIBRARY_PATH=$home/lib:$home/lib/stubs LD_LIBRARY_PATH=$home/lib:${LD_LIBRARY_PATH:-}
build=("${features[@]}" --target-dir "$folder")

cargo build "${build[@]}" --bin phytotron --example train_speed
cargo test "${build[@]}" --lib --no-run
cp "$folder/release/phytotron" "$folder/release/phytotron-cuda"
ls -l "$folder/release/phytotron-cuda"
[ "$what" = build ] && exit

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L | grep -q GPU; then
    echo "no GPU here: the kernels were compiled and linked, and nothing of them was run" >&2
    # With the stub for a driver the programs must start, find no GPU, and say so.
    export LD_LIBRARY_PATH=$home/lib/stubs:$LD_LIBRARY_PATH
    "$folder/release/phytotron-cuda" --version
    cargo test "${build[@]}" --lib -- gpu cuda
    said=$("$folder/release/examples/train_speed" plain 2 cuda 2>&1) && exit 1
    echo "$said"
    grep -q 'device: cuda' <<<"$said"
    exit
fi

nvidia-smi -L
cargo test "${build[@]}" --lib -- gpu cuda --nocapture
for model in plain nas qnn nasnet top4; do
    echo "$model"
    for engine in cuda cuda-bf16; do "$folder/release/examples/train_speed" "$model" 2 "$engine"; done
    python3 benches/train_peers.py --program "$folder/release/examples/train_speed" --models "$model" --peers torch-cuda || echo "no PyTorch with CUDA here"
done
