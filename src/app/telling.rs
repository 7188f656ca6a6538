//! What goes on telling until all else has ended: spans on their way to a collector, the access log, and what became of log lines.

use super::{Parts, StartError};
use crate::{
    config::Settings,
    telemetry::{LogLevel, Metrics, access, events, trace},
};
use std::sync::Arc;

impl Parts {
    /// Begins it. It ends with the ops listener.
    pub(super) fn keep_telling(
        &self,
        settings: &Settings,
        level: &LogLevel,
        metrics: &Arc<Metrics>,
    ) -> Result<(), StartError> {
        access::turn(settings.telemetry.log_access).map_err(StartError::Loading)?;
        self.ops.spawn("log limit", level.limit().run(Arc::clone(metrics), self.stop_ops.listener()));
        if let Some(spans) = &settings.telemetry.spans {
            let exporter = trace::start(spans, metrics).map_err(StartError::Spans)?;
            events::spans_exported_to(spans);
            self.ops.spawn("span export", exporter.run(self.stop_ops.listener()));
        }
        Ok(())
    }
}
