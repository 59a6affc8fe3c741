//! Exported networks, judged by those they are for; and the commands and the stage that write them.

mod cases;
mod commands;
mod judges;
