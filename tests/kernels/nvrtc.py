"""Compiles files of CUDA kernels to PTX with NVRTC, which needs no GPU and no driver.

    python3 nvrtc.py FOLDER-OF-LIBNVRTC ARCHITECTURE KERNELS OUT

Writes OUT/NAME.ptx for each KERNELS/NAME.cu; ends with 1 and the compiler's words where one does not compile, or is
warned about.
"""

import ctypes
import pathlib
import sys


def load(folder):
    """The library; it finds the file of built-in functions beside it only when that is loaded already."""
    for name in ("libnvrtc-builtins.so.*", "libnvrtc.so.*"):
        found = [path for path in sorted(folder.rglob(name)) if ".alt." not in path.name]
        if not found:
            sys.exit(f"no {name} below {folder}")
        library = ctypes.CDLL(str(found[0]), mode=ctypes.RTLD_GLOBAL)
    return library


def text(library, what, program):
    """What `nvrtcGet{what}` gives."""
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, buffer)
    return buffer.value.decode()


def compile_file(library, path, architecture):
    """The PTX of a file."""
    program = ctypes.c_void_p()
    source = path.read_bytes()
    library.nvrtcCreateProgram(ctypes.byref(program), source, path.name.encode(), 0, None, None)
    options = [f"--gpu-architecture=compute_{architecture}", "--std=c++17", "--fmad=false", f"-I{path.parent}"]
    options = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = library.nvrtcCompileProgram(program, len(options), options)
    log = text(library, "ProgramLog", program)
    if status != 0 or log.strip():
        sys.exit(f"{path.name} for sm_{architecture}: status {status}\n{log}")
    return text(library, "PTX", program)


def main():
    folder, architecture, kernels, out = sys.argv[1:]
    library = load(pathlib.Path(folder))
    for path in sorted(pathlib.Path(kernels).glob("*.cu")):
        ptx = compile_file(library, path, architecture)
        (pathlib.Path(out) / path.with_suffix(".ptx").name).write_text(ptx)


main()
