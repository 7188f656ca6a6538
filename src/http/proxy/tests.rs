use super::*;
use crate::http::testing;
