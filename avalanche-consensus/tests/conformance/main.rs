//! Replays recorded traces, and breaks traces to see that the replayer notices.

#[path = "../../examples/replay/main.rs"]
mod replay;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod support;
