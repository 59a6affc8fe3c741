//! Bad networks: a transfer ends right or with one clear error, the next try completes, and nothing bad
//! ever enters a store.

use std::time::Duration;

use phytotron::event::Silent;
use phytotron::manifest::Fingerprint;
use phytotron::remote::{Inventory, Remote, RemoteError, Room as Sort, Tier, Transferred};

use super::proxy::{Fault, Proxy, faults};
use super::{Room, location, noise, open_bucket};
use crate::support::moto::{Moto, moto};

/// How long a server may say nothing here.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Transfers that are tried; `PHYTOTRON_FAULT_RUNS` asks for more.
fn runs() -> u64 {
    std::env::var("PHYTOTRON_FAULT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(16)
}

/// A bucket behind a bad network, and somebody who is in a hurry.
fn through(port: u16, bucket: &str) -> Box<dyn Remote> {
    let mut location = location(port, bucket);
    location.timeout = TIMEOUT;
    Box::new(open_bucket(location))
}

/// The bucket itself, with the patience that people have.
fn straight(port: u16, bucket: &str) -> Box<dyn Remote> {
    Box::new(open_bucket(location(port, bucket)))
}

/// A few small files, and now and then one that goes in parts.
fn fill(room: &Room, run: u64) -> Vec<Fingerprint> {
    let small: Vec<Vec<u8>> = (0..4).map(|i| noise(run * 10 + i, 3_000)).collect();
    let names = ["a", "b", "c/d", "e"];
    let files: Vec<(&str, &[u8])> =
        names.iter().copied().zip(small.iter().map(Vec::as_slice)).collect();
    let mut results = vec![room.result(&format!("small {run}"), &files)];
    if run.is_multiple_of(4) {
        let large = noise(run, (8 << 20) + 1_000);
        results.push(room.result(&format!("large {run}"), &[("large", &large)]));
    }
    results
}

/// An error is one line that names the place.
fn assert_clear(error: &RemoteError) {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("s3://"), "{text}");
    assert!(
        matches!(error, RemoteError::S3(_) | RemoteError::Damaged { .. }),
        "not of the network: {error:?}"
    );
}

/// What a transfer leaves behind is whole, whatever it came to.
fn is_complete(transfer: Result<Transferred, RemoteError>, results: usize) -> bool {
    match transfer {
        Ok(report) => report.results == results,
        Err(error) => {
            assert_clear(&error);
            false
        }
    }
}

/// Every object of the bucket is what its name says, and no record is there before its content.
fn assert_whole(server: &Moto, bucket: &str) {
    let remote = open_bucket(location(server.port, bucket));
    let inventory = Inventory::of(&remote).unwrap();
    let there = Room::new();
    let tier = Tier::new(&there.store, Box::new(remote), "lab", false);
    let results = tier.results().unwrap();
    assert_eq!(results.len(), inventory.room(Sort::Results).count());
    let report = tier.fetch(&results, &Silent).unwrap();
    assert_eq!((report.left.as_slice(), report.results), (&[][..], results.len()));
    there.assert_clean();
}

#[test]
fn a_bad_network_costs_time_and_never_a_byte() {
    let Some(server) = moto() else { return };
    let (mut complete, mut all) = (0, 0);
    for run in 0..runs() {
        let bucket = server.bucket();
        // A little, much, and almost nothing but faults.
        let share = [0.05, 0.3, 0.9][usize::try_from(run % 3).unwrap()];
        let bad = Proxy::new(server.port, 3 * TIMEOUT, faults(run, share));
        let (here, there) = (Room::new(), Room::new());
        let results = fill(&here, run);
        let n = results.len();
        let send = |remote| {
            let tier = Tier::new(&here.store, remote, "lab", true);
            tier.send(&results, &Silent)
        };
        let fetch = |remote| {
            let tier = Tier::new(&there.store, remote, "lab", false);
            tier.fetch(&results, &Silent)
        };
        complete += u64::from(is_complete(send(through(bad.port, &bucket)), n));
        assert_whole(server, &bucket);
        assert!(
            is_complete(send(straight(server.port, &bucket)), n),
            "run {run}: the next push completes"
        );
        assert_whole(server, &bucket);
        complete += u64::from(is_complete(fetch(through(bad.port, &bucket)), n));
        there.assert_clean();
        assert!(
            is_complete(fetch(straight(server.port, &bucket)), n),
            "run {run}: the next pull completes"
        );
        for result in &results {
            there.assert_has(result);
        }
        all += 2;
    }
    // Faults are survived, not only reported; and some are too many.
    assert!(complete * 3 > all && complete < all, "{complete} of {all} transfers came through");
}

#[test]
fn each_fault_alone_is_survived() {
    use Fault::{Cut, Error500, Flipped, Lost, SlowDown, Stalled, Truncated};

    let Some(server) = moto() else { return };
    for fault in [Error500, SlowDown, Lost, Cut, Truncated, Flipped, Stalled] {
        let bucket = server.bucket();
        // A handful, so far apart that no request has as many as it has tries.
        let plan =
            move |request: u64| if request < 40 && request % 9 == 1 { fault } else { Fault::None };
        let bad = Proxy::new(server.port, 3 * TIMEOUT, plan);
        let (here, there) = (Room::new(), Room::new());
        let results = fill(&here, 0);
        let tier = Tier::new(&here.store, through(bad.port, &bucket), "lab", true);
        let sent = tier.send(&results, &Silent);
        assert!(sent.as_ref().is_ok_and(|sent| sent.results == 2), "{fault:?}: {sent:?}");
        assert!(bad.requests() > 10);
        let bad = Proxy::new(server.port, 3 * TIMEOUT, plan);
        let tier = Tier::new(&there.store, through(bad.port, &bucket), "lab", true);
        let fetched = tier.fetch(&results, &Silent);
        assert!(fetched.as_ref().is_ok_and(|it| it.results == 2), "{fault:?}: {fetched:?}");
        there.assert_has(&results[1]);
        assert!(bad.requests() > 5);
    }
}
