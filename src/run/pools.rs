//! Pools: named limits on what may run at once (`cpu`, `memory`, `gpu`, any other).
//!
//! Knows numbers only; who asks and in which order is the scheduler's matter.

use std::collections::BTreeMap;

/// Tokens by pool.
pub type Tokens = BTreeMap<String, u64>;

/// Capacities, and how much of each is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pools {
    capacity: Tokens,
    taken: Tokens,
}

/// A request that no amount of waiting can meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The pool.
    pub pool: String,
    /// Tokens asked for.
    pub asked: u64,
    /// Tokens there are; 0 for a pool that nobody declared.
    pub capacity: u64,
}

impl Pools {
    /// Pools of these capacities, nothing taken.
    #[must_use]
    pub fn new(capacity: Tokens) -> Self {
        Self { capacity, taken: Tokens::new() }
    }

    /// Capacity of `pool`; 0 when nobody declared it.
    #[must_use]
    pub fn capacity(&self, pool: &str) -> u64 {
        self.capacity.get(pool).copied().unwrap_or_default()
    }

    /// Tokens left in `pool`.
    #[must_use]
    pub fn free(&self, pool: &str) -> u64 {
        self.capacity(pool).saturating_sub(self.taken.get(pool).copied().unwrap_or_default())
    }

    /// The first pool that can never give what `request` asks for.
    #[must_use]
    pub fn shortage(&self, request: &Tokens) -> Option<Shortage> {
        let (pool, &asked) = request.iter().find(|&(pool, &asked)| asked > self.capacity(pool))?;
        Some(Shortage { pool: pool.clone(), asked, capacity: self.capacity(pool) })
    }

    /// Takes what `request` asks for, all or nothing; says whether it did.
    pub fn take(&mut self, request: &Tokens) -> bool {
        if !request.iter().all(|(pool, &asked)| asked <= self.free(pool)) {
            return false;
        }
        for (pool, asked) in request {
            *self.taken.entry(pool.clone()).or_default() += asked;
        }
        true
    }

    /// Gives back what [`Pools::take`] took.
    pub fn give_back(&mut self, request: &Tokens) {
        for (pool, asked) in request {
            let taken = self.taken.entry(pool.clone()).or_default();
            *taken = taken.checked_sub(*asked).expect("BUG: more tokens came back than were taken");
        }
    }
}

/// What this machine has: `cpu` in cores, `memory` in bytes.
#[must_use]
pub fn machine() -> Tokens {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut tokens = Tokens::from([("cpu".to_owned(), cores as u64)]);
    if let Some(bytes) = memory_bytes() {
        tokens.insert("memory".to_owned(), bytes);
    }
    tokens
}

fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(list: &[(&str, u64)]) -> Tokens {
        list.iter().map(|&(pool, n)| (pool.to_owned(), n)).collect()
    }

    #[test]
    fn a_request_is_met_whole_or_not_at_all() {
        let mut pools = Pools::new(tokens(&[("cpu", 2), ("gpu", 1)]));
        assert!(pools.take(&tokens(&[("cpu", 1), ("gpu", 1)])));
        assert!(!pools.take(&tokens(&[("cpu", 1), ("gpu", 1)])));
        assert_eq!((pools.free("cpu"), pools.free("gpu")), (1, 0));
        pools.give_back(&tokens(&[("cpu", 1), ("gpu", 1)]));
        assert_eq!((pools.free("cpu"), pools.free("gpu")), (2, 1));
    }

    #[test]
    fn a_request_above_capacity_is_a_shortage() {
        let pools = Pools::new(tokens(&[("cpu", 2)]));
        let shortage = pools.shortage(&tokens(&[("cpu", 1), ("gpu", 1)]));
        assert_eq!(shortage, Some(Shortage { pool: "gpu".to_owned(), asked: 1, capacity: 0 }));
        assert_eq!(pools.shortage(&tokens(&[("cpu", 2)])), None);
    }

    #[test]
    fn the_machine_has_cores_and_memory() {
        let machine = machine();
        assert!(machine["cpu"] >= 1);
        assert!(machine["memory"] > 1 << 20);
    }
}
