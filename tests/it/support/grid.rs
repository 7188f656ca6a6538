//! Many questions to one sidecar, with all wrong answers told at once.

use super::{Sidecar, facts::Expected};
use serde_json::Value;

/// Asks, compares and collects.
#[derive(Debug)]
pub struct Grid<'s> {
    sidecar: &'s Sidecar,
    asked: usize,
    wrong: Vec<String>,
}

impl<'s> Grid<'s> {
    /// Questions to this sidecar.
    pub fn new(sidecar: &'s Sidecar) -> Self {
        Self { sidecar, asked: 0, wrong: Vec::new() }
    }

    /// Asks one question.
    pub fn ask(&mut self, question: &Value, (decision, code): Expected) {
        self.asked += 1;
        let (status, answer) = self.sidecar.authorize(question);
        let right = status == 200 && answer["decision"] == decision && answer["reason"]["code"] == code;
        if !right {
            self.wrong.push(format!("{question}\n  wanted {decision}, {code}\n  got {status} {answer}"));
        }
    }

    /// Fails the test when an answer was wrong, or when nothing was asked. Gives the number of questions.
    #[track_caller]
    pub fn finish(self) -> usize {
        let (asked, wrong) = (self.asked, self.wrong.len());
        assert!(
            wrong == 0,
            "{wrong} of {asked} answers are wrong, such as\n{}",
            self.wrong[..wrong.min(15)].join("\n")
        );
        assert!(asked > 0, "nothing was asked");
        asked
    }
}
