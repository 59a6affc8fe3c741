//! Several trainings side by side: small networks keep one thread busy each, while all threads on one of them
//! would mostly wait for each other.
//!
//! A lane is a thread that hands one training after another to the stage's pool and sleeps meanwhile, so there are
//! never more threads at work than the pool has; a thread whose lane has run dry helps the others. Results do not
//! depend on any of it: trainings have the same bits at any number of threads.
//!
//! On GPUs each lane has one of its own, and a thread for what the processor does of a training.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPool;

/// Lanes for trainings that take `needs` bytes each: one for each thread, or as few as fit into `available` bytes
/// together; where they are trained on `gpus`, one for each of these.
pub(super) fn lanes(
    pool: &ThreadPool,
    needs: &[Option<u64>],
    available: Option<u64>,
    gpus: Option<usize>,
) -> usize {
    let most = pool.current_num_threads().min(needs.len());
    if let Some(gpus) = gpus {
        // Without any the first training says so.
        return most.min(gpus).max(1);
    }
    let Some(mut needs) = needs.iter().copied().collect::<Option<Vec<u64>>>() else { return 1 };
    let Some(available) = available else { return most.max(1) };
    needs.sort_unstable_by(|a, b| b.cmp(a));
    let together = needs.iter().scan(0_u64, |sum, need| {
        *sum = sum.saturating_add(*need);
        Some(*sum)
    });
    together.take(most).take_while(|&sum| sum <= available).count().max(1)
}

/// Does `work` for each of `items`, in as many `lanes` at a time; the results have their order. It is told the number
/// of its lane, in which nothing else is done meanwhile.
pub(super) fn side_by_side<T: Sync, R: Send>(
    pool: &ThreadPool,
    lanes: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    if lanes <= 1 || items.len() <= 1 {
        return items.iter().map(|item| pool.install(|| work(0, item))).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let in_lane = |lane: usize| {
        while let Some(place) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&p| p < items.len())
        {
            let result = pool.install(|| work(lane, &items[place]));
            *results[place].lock().expect("BUG: nobody else writes it") = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let in_lane = &in_lane;
            scope.spawn(move || in_lane(lane));
        }
    });
    let done = |result: Mutex<Option<R>>| result.into_inner().expect("BUG: a lane panicked");
    results.into_iter().map(|result| done(result).expect("BUG: all items were taken")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn there_are_as_many_lanes_as_threads_items_and_memory_allow() {
        let lanes = |threads, needs: &[u64], available| {
            let needs: Vec<Option<u64>> = needs.iter().copied().map(Some).collect();
            lanes(&pool(threads), &needs, available, None)
        };
        assert_eq!(lanes(3, &[1; 8], None), 3);
        assert_eq!(lanes(3, &[1; 2], Some(100)), 2);
        assert_eq!(lanes(3, &[2, 5, 3, 4], Some(9)), 2);
        assert_eq!(lanes(3, &[2, 5, 3, 4], Some(8)), 1, "the two largest may meet");
        assert_eq!(lanes(3, &[7; 4], Some(5)), 1, "what does not fit alone says so itself");
        assert_eq!(super::lanes(&pool(3), &[Some(1), None], Some(9), None), 1);
    }

    #[test]
    fn on_gpus_there_is_a_lane_for_each_that_has_a_thread_and_a_training() {
        let lanes = |threads, trainings, gpus| {
            lanes(&pool(threads), &vec![None; trainings], Some(0), Some(gpus))
        };
        assert_eq!(lanes(4, 8, 2), 2);
        assert_eq!(lanes(4, 3, 8), 3);
        assert_eq!(lanes(2, 8, 8), 2);
        assert_eq!(lanes(4, 8, 0), 1, "the training says that there is none");
    }

    #[test]
    fn a_lane_does_one_thing_at_a_time() {
        let gpus: [Mutex<()>; 3] = Default::default();
        let items = [(); 40];
        let lanes = side_by_side(&pool(4), 3, &items, |lane, ()| {
            let _alone = gpus[lane].try_lock().expect("two trainings meet on one GPU");
            std::thread::sleep(std::time::Duration::from_millis(2));
            lane
        });
        let used: std::collections::BTreeSet<usize> = lanes.into_iter().collect();
        assert_eq!(used, std::collections::BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn results_have_the_order_of_the_items_and_no_more_run_than_there_are_lanes() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<u64> = (0..20).collect();
        let results = side_by_side(&pool(3), 2, &items, |_, &item| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(20 - item));
            running.fetch_sub(1, Ordering::SeqCst);
            item * 10
        });
        assert_eq!(results, (0..20).map(|item| item * 10).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 2);
    }
}
