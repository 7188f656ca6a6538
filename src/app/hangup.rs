//! What `SIGHUP` asks for: a look at all files.

use super::App;
use crate::reload::Cause;

impl App {
    /// `SIGHUP`.
    pub(super) fn look_at_everything(&self) {
        if let Some(config) = &self.config {
            config.nudge(Cause::Signal);
        }
        if let Some(shadow) = &self.shadow {
            shadow.nudge(Cause::Signal);
        }
        if let Some(certificates) = &self.certificates {
            certificates.nudge(Cause::Signal);
        }
        self.reload.nudge(Cause::Signal);
    }
}
