//! A queue in memory: what a worker may expect of a queue, and every word it was told.

use sidegate::{
    lifecycle::Clock,
    mail::{Bell, Due, Kind, Letter, Link, Queue, QueueError, Unwritten, Values},
    model::Timestamp,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

/// The id of a letter that is in the queue, and cannot be written.
pub const UNWRITTEN: &str = "unwritten";

/// Letters in memory.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    waiting: Mutex<BTreeMap<String, (Due, Timestamp)>>,
    told: Mutex<Vec<Told>>,
    bell: Bell,
    /// How often what it is told cannot be kept.
    pub forgets: AtomicU32,
    /// How often it was asked what is due.
    pub looks: AtomicU32,
}

/// What the worker has told.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: String,
    /// Why not, where the letter was not sent.
    pub why: Option<String>,
    pub next: Option<Timestamp>,
}

/// A letter to `<id>@example.com` with a link of its own.
pub fn letter(id: &str) -> Letter {
    Letter {
        id: id.to_owned(),
        kind: Kind::Invitation,
        recipient: format!("user-{id}"),
        address: format!("{id}@example.com").parse().expect("an address"),
        name: Some("Zoë Ångström".to_owned()),
        language: None,
        values: Values {
            link: Link::new(format!("https://app.example.com/accept#token-{id}")).expect("a link"),
            expires: Timestamp::parse("2100-01-01T00:00:00Z").expect("a time"),
            tenant: "North".to_owned(),
            inviter: Some("Grace Hopper".to_owned()),
            roles: vec!["Sales".to_owned()],
        },
    }
}

impl MemoryQueue {
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a letter that was written now.
    pub fn push(&self, letter: Letter) {
        self.push_from(letter, Clock::system().now());
    }

    /// Queues a letter that was written then.
    pub fn push_from(&self, letter: Letter, queued: Timestamp) {
        self.put(letter.id.clone(), Due { letter: Ok(letter), failures: 0, queued });
    }

    /// Queues a letter that nobody can write.
    pub fn push_unwritable(&self, id: &str, why: &'static str) {
        let recipient = format!("user-{id}");
        let letter = Err(Unwritten { id: id.to_owned(), kind: Kind::Invitation, recipient, why });
        self.put(id.to_owned(), Due { letter, failures: 0, queued: Clock::system().now() });
    }

    fn put(&self, id: String, due: Due) {
        let queued = due.queued;
        self.waiting.lock().expect("queue").insert(id, (due, queued));
        self.bell.ring();
    }

    pub fn is_empty(&self) -> bool {
        self.depth() == 0
    }

    /// Everything that it was told, in order.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("told").clone()
    }

    /// Why letters were not sent, in order.
    pub fn failures(&self) -> Vec<String> {
        self.told().into_iter().filter_map(|told| told.why).collect()
    }

    fn keep(&self, told: Told) -> Result<(), QueueError> {
        let forget = |left: u32| left.checked_sub(1);
        if self.forgets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, forget).is_ok() {
            return Err(QueueError(Box::new(io::Error::other("the disk is full"))));
        }
        let mut waiting = self.waiting.lock().expect("queue");
        match (told.next, waiting.get_mut(&told.id)) {
            (Some(next), Some((due, at))) => {
                due.failures += 1;
                *at = next;
            }
            (None, Some(_)) => drop(waiting.remove(&told.id)),
            (_, None) => {}
        }
        self.told.lock().expect("told").push(told);
        Ok(())
    }
}

impl Queue for MemoryQueue {
    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, QueueError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let waiting = self.waiting.lock().expect("queue");
        let had = |due: &Due| due.letter.as_ref().is_ok_and(|letter| letter.id != UNWRITTEN) || due.letter.is_err();
        let mut due: Vec<_> = waiting.values().filter(|(due, at)| *at <= now && had(due)).collect();
        due.sort_by_key(|(_, at)| *at);
        Ok(due.into_iter().take(most).map(|(due, _)| due.clone()).collect())
    }

    fn next(&self) -> Result<Option<Timestamp>, QueueError> {
        Ok(self.waiting.lock().expect("queue").values().map(|(_, at)| *at).min())
    }

    fn sent(&self, id: &str, _at: Timestamp) -> Result<(), QueueError> {
        self.keep(Told { id: id.to_owned(), why: None, next: None })
    }

    fn failed(&self, id: &str, _at: Timestamp, why: &str, next: Option<Timestamp>) -> Result<(), QueueError> {
        self.keep(Told { id: id.to_owned(), why: Some(why.to_owned()), next })
    }

    fn depth(&self) -> u64 {
        self.waiting.lock().expect("queue").len() as u64
    }

    fn bell(&self) -> Bell {
        self.bell.clone()
    }
}
