//! How commands reach a store: through the socket in the data folder, where a server has it open, else by opening
//! the folder themselves. Either way they call the same routes (`routes::keys`, `routes::settings`,
//! `routes::control`), over HTTP or in this process. What a command asks and shows is `cli`'s.
//!
//! - `socket`: the socket in the folder
//! - `at_rest`: a folder that no server has open
//! - `calls`: every call that a command makes, with the type of its answer
//! - `client`: HTTP over the socket or into a router of this process

mod at_rest;
pub(crate) mod calls;
mod client;
mod socket;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::limits::long::LongWork;
use crate::router::operators_router;
use crate::routes::admin::Desk;
use crate::upkeep::Progress;
use at_rest::AtRest;
use calls::Call;
use client::ControlClient;
use store::clock::Clock;
use store::folder::{DataFolder, FolderError};

pub(crate) use socket::ControlSocket;

/// How long [`call`] waits for the process that has the folder: it may be starting or stopping.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Has a call answered: by the server that has the folder open, or else on the folder itself. Blocks.
///
/// # Errors
/// A sentence for whoever runs the command. It holds no key.
pub(crate) fn call<T: DeserializeOwned>(
    data: &Path,
    call: &Call<T>,
    clock: Arc<dyn Clock>,
    progress: &mut dyn FnMut(Progress),
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    runtime.block_on(async {
        let client = reach(data, call, clock).await?;
        client.ask(call, progress).await
    })
}

/// Finds who answers.
async fn reach<T>(
    data: &Path,
    call: &Call<T>,
    clock: Arc<dyn Clock>,
) -> Result<ControlClient, String> {
    let without = call.without;
    let open = if without.makes_a_store {
        DataFolder::open
    } else {
        DataFolder::open_existing
    };
    let started = Instant::now();
    loop {
        let opened = match open(data) {
            Err(FolderError::Unwritable { .. }) if without.only_reads => {
                DataFolder::open_to_read(data)
            }
            opened => opened,
        };
        match opened {
            Ok(_) | Err(FolderError::Absent(_)) if without.has_no_answer => {
                return Err(at_rest::NO_SERVER.to_owned());
            }
            Ok(folder) => {
                let store = Arc::new(AtRest::open(folder, call.erasures.clone(), clock)?);
                let desk = Desk::of_operator(store, Arc::new(LongWork::default()));
                return Ok(ControlClient::within(operators_router(desk)));
            }
            Err(FolderError::Held(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        if let Some(stream) = socket::connect(data) {
            return ControlClient::on(stream).await;
        }
        if started.elapsed() >= PATIENCE {
            return Err(format!(
                "another process has {} open and takes no commands: it is starting, stopping or stuck. Try again, or \
                 stop it first",
                data.display()
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
