//! Progress: observers of events on a terminal, in plain lines and as JSON.
