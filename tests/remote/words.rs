//! What people read when a bucket cannot be used: one line, and what to do.

use std::net::TcpListener;
use std::time::Duration;

use phytotron::remote::Inventory;

use super::proxy::{Fault, Proxy};
use super::{location, open_bucket};
use crate::support::TestSpace;
use crate::support::moto::moto;

fn words(port: u16, bucket: &str) -> String {
    let mut location = location(port, bucket);
    location.timeout = Duration::from_millis(300);
    let remote = open_bucket(location);
    Inventory::of(&remote).expect_err("nothing can be listed").to_string()
}

#[test]
fn each_failure_says_what_it_is() {
    let Some(server) = moto() else { return };
    let bucket = server.bucket();
    let with = |fault| {
        let proxy = Proxy::new(server.port, Duration::from_secs(2), move |_| fault);
        words(proxy.port, &bucket)
    };
    let place = format!("s3://{bucket}/a/prefix");
    assert_eq!(
        with(Fault::Denied),
        format!("{place} needs other credentials: it answers `SignatureDoesNotMatch`")
    );
    assert_eq!(
        with(Fault::SlowDown),
        format!("{place} is overloaded or broken, trying again did not help: SlowDown")
    );
    assert!(with(Fault::Lost).starts_with(&format!("cannot reach {place}: ")));
    assert_eq!(
        words(server.port, "no-such-bucket"),
        "s3://no-such-bucket/a/prefix: there is no such bucket at this server"
    );
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = words(unused, &bucket);
    assert!(refused.starts_with("cannot reach ") && refused.contains("refused"), "{refused}");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    // Accepts connections, which the kernel does for it, and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = words(silent.local_addr().unwrap().port(), "bucket");
    assert!(said.starts_with("s3://bucket/a/prefix does not answer"), "{said}");
}

#[test]
fn credentials_that_are_missing_are_asked_for() {
    let space = TestSpace::new()
        .pipeline("stages: { a: { use: command, with: { run: \"echo > o\", outputs: [o] } } }")
        .file("phytotron.yaml", "remote: { lab: { kind: s3, bucket: lab, region: eu-west-1 } }");
    let mut command = space.command(&["run", "pipeline.yaml", "--remote", "lab"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", space.path("")).env("AWS_EC2_METADATA_DISABLED", "true");
    let ran = space.ran(command.output().unwrap()).code(4);
    let text = ran.text();
    assert!(text.contains("s3://lab needs other credentials: none were found"), "{text}");
    assert!(text.contains("AWS_PROFILE"), "{text}");
}
