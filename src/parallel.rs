//! Many operations that wait at once, with a bound: for networks and disks, not for arithmetic.
//!
//! Knows nothing of what they do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Does `work` to every item with `width` threads, in about their order, and returns what came of each in
/// exactly that order. Begins no new one after the first error, which is returned.
///
/// # Errors
/// The first error of `work`.
pub fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    width: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let lane = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            match work(item) {
                Ok(result) => done.push((at, result)),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let lanes = width.min(items.len());
    let ends: Vec<Result<Vec<(usize, R)>, E>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let mut all = Vec::with_capacity(items.len());
    for end in ends {
        all.extend(end?);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_items_at_any_width() {
        let items: Vec<usize> = (0..100).collect();
        for width in [1, 3, 200] {
            let doubled = map(&items, width, |item| Ok::<_, ()>(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        assert!(map(&[] as &[usize], 4, |item| Ok::<_, ()>(*item)).unwrap().is_empty());
    }

    #[test]
    fn the_first_error_ends_all() {
        let begun = AtomicUsize::new(0);
        let ended = map(&(0..1000).collect::<Vec<_>>(), 2, |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 {
                return Err("no");
            }
            Ok(())
        });
        assert_eq!(ended, Err("no"));
        assert!(begun.load(Ordering::Relaxed) < 1000);
    }
}
