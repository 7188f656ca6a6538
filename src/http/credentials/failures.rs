//! How many unknown tokens are borne.
//!
//! Each address has a budget of failures, and so have all addresses together; both come back with time. An address whose budget
//! is spent is told to wait for each further token that is not known. Once the budget of all is spent, so are addresses with a
//! failure on record; an address without one never is, so that it learns what is wrong.
//!
//! A token that is known is taken before anybody asks here: nobody can lock out others by failing, not even from the same address.
//! That no token is guessed rests on its 256 random bits alone. The budget bounds answers and lines of the log.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Failures of one address: as many at once, and as many a minute.
const OF_ONE: Budget = Budget { most: 20, each: Duration::from_secs(3) };
/// Failures of all addresses.
const OF_ALL: Budget = Budget { most: 200, each: Duration::from_millis(300) };
/// Addresses that are remembered. Beyond it, the one with the least on record is forgotten.
const MOST_ADDRESSES: usize = 4096;

/// What may be spent: `most` at once, and one comes back every `each`.
#[derive(Debug, Clone, Copy)]
struct Budget {
    most: u32,
    each: Duration,
}

/// What is spent, told by when all of it will have come back.
#[derive(Debug, Clone, Copy)]
struct Spent(Instant);

impl Spent {
    fn owed(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// How long until one more may be spent; `None` where that is now.
    fn wait(self, budget: Budget, now: Instant) -> Option<Duration> {
        let after = self.owed(now) + budget.each;
        after.checked_sub(budget.each * budget.most).filter(|wait| !wait.is_zero())
    }

    /// Spends one, and never more than there is.
    fn spend(&mut self, budget: Budget, now: Instant) {
        let owed = (self.owed(now) + budget.each).min(budget.each * budget.most);
        self.0 = now + owed;
    }
}

/// Whose failures count together: an IPv4 address, or the first half of an IPv6 address, all of which belongs to one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Site(IpAddr);

impl From<IpAddr> for Site {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into())),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// The failures on record.
#[derive(Debug)]
pub(in crate::http) struct Failures {
    of_all: Option<Spent>,
    sites: HashMap<Site, Spent>,
    most_sites: usize,
}

/// What a failure did to the budget of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Noted {
    /// It is the first on record.
    First,
    /// There is some left.
    More,
    /// It was the last that is borne for now.
    Last,
}

impl Default for Failures {
    fn default() -> Self {
        Self { of_all: None, sites: HashMap::new(), most_sites: MOST_ADDRESSES }
    }
}

impl Failures {
    /// Whether one more unknown token from this address is told to be unknown; if not, how long it has to wait.
    pub(in crate::http) fn hear(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(spent) = self.sites.get(&from.into()).filter(|spent| !spent.owed(now).is_zero()) else {
            return Ok(());
        };
        let all = self.of_all.and_then(|all| all.wait(OF_ALL, now));
        match spent.wait(OF_ONE, now).max(all) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Notes that a token from this address was not known.
    pub(in crate::http) fn note(&mut self, from: IpAddr, now: Instant) -> Noted {
        self.of_all.get_or_insert(Spent(now)).spend(OF_ALL, now);
        let site = from.into();
        if !self.sites.contains_key(&site) {
            self.make_room(now);
        }
        let spent = self.sites.entry(site).or_insert(Spent(now));
        let first = spent.owed(now).is_zero();
        spent.spend(OF_ONE, now);
        match (first, spent.wait(OF_ONE, now)) {
            (true, _) => Noted::First,
            (false, None) => Noted::More,
            (false, Some(_)) => Noted::Last,
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.sites.len() < self.most_sites {
            return;
        }
        self.sites.retain(|_, spent| !spent.owed(now).is_zero());
        if self.sites.len() >= self.most_sites {
            let least = self.sites.iter().min_by_key(|(_, spent)| spent.0).map(|(site, _)| *site);
            least.and_then(|site| self.sites.remove(&site));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Fails until it is not heard any more; how often that was.
    fn exhaust(failures: &mut Failures, from: IpAddr, now: Instant) -> u32 {
        let mut count = 0;
        while failures.hear(from, now).is_ok() {
            failures.note(from, now);
            count += 1;
        }
        count
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let (mut failures, began) = (Failures::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(failures.note(one, began), Noted::First);
        assert_eq!(failures.note(one, began), Noted::More);
        assert_eq!(exhaust(&mut failures, one, began), OF_ONE.most - 2);
        assert_eq!(failures.hear(one, began), Err(OF_ONE.each));
        assert_eq!(failures.hear(one, began + SECOND), Err(Duration::from_secs(2)));
        assert_eq!(failures.hear(other, began), Ok(()));
        // What comes back comes back one by one.
        let later = began + OF_ONE.each;
        assert_eq!(failures.hear(one, later), Ok(()));
        assert_eq!(failures.note(one, later), Noted::Last);
        assert!(failures.hear(one, later).is_err());
        assert_eq!(exhaust(&mut failures, one, later + OF_ONE.each * OF_ONE.most), OF_ONE.most);
    }

    #[test]
    fn the_addresses_of_one_site_count_together() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        exhaust(&mut failures, address("2001:db8:1:2::1"), now);
        exhaust(&mut failures, address("::ffff:192.0.2.1"), now);
        for (from, heard) in
            [("2001:db8:1:2:ffff::9", false), ("2001:db8:1:3::1", true), ("192.0.2.1", false), ("192.0.2.2", true)]
        {
            assert_eq!(failures.hear(address(from), now).is_ok(), heard, "{from}");
        }
    }

    #[test]
    fn where_all_fail_too_often_those_without_a_failure_are_heard() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let many = (0..OF_ALL.most).map(|n| IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]));
        for from in many.clone() {
            failures.note(from, now);
        }
        for from in many {
            assert_eq!(failures.hear(from, now), Err(OF_ALL.each), "{from}: one failure each");
        }
        let clean = address("192.0.2.1");
        assert_eq!(failures.hear(clean, now), Ok(()));
        failures.note(clean, now);
        assert!(failures.hear(clean, now).is_err());
        assert_eq!(failures.hear(clean, now + OF_ALL.each), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (mut failures, now) = (Failures { most_sites: 8, ..Failures::default() }, Instant::now());
        let worst = address("192.0.2.1");
        exhaust(&mut failures, worst, now);
        for n in 0..100 {
            failures.note([10, 0, 0, n].into(), now);
        }
        assert_eq!(failures.sites.len(), 8);
        assert!(failures.hear(worst, now).is_err());
        // What has come back is forgotten first.
        failures.note(address("192.0.2.2"), now + Duration::from_hours(1));
        assert_eq!(failures.sites.len(), 1);
    }
}
