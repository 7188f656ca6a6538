//! Real proxies in front of a small application, with the configurations that are shipped.

use super::trusting;
use crate::support::{Program, Proxy, RawResponse, Sidecar, Upstream};
use serde_json::{Value, json};
