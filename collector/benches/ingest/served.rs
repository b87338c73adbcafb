//! What the server's process of a bench does: it says where it listens, and serves until its stdin ends.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use collector::app::App;
use collector::public_url::PublicUrl;
use collector::server;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;

/// Comes to its end with stdin.
pub(crate) type End = JoinHandle<std::io::Result<usize>>;

/// Serves the app that `make` makes of its public URL, after printing the address and the lines that come with the
/// app. `until` says when that is over. Does not come back but where it fails.
pub(crate) fn serve(
    make: impl AsyncFnOnce(PublicUrl) -> Result<(App, Vec<String>), Failure>,
    until: impl AsyncFnOnce(&App, End) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        server::raise_open_files()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (app, lines) = make(PublicUrl::listening_on(address)).await?;
        let app = Arc::new(app);
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{address}")?;
        for line in lines {
            writeln!(stdout, "{line}")?;
        }
        stdout.flush()?;
        drop(stdout);
        let serving = tokio::spawn(server::serve(
            listener,
            Arc::clone(&app),
            std::future::pending(),
        ));
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        until(&app, end).await?;
        serving.abort();
        Ok::<_, Failure>(())
    })?;
    // What still waits to be written is of no interest; the folder goes.
    std::process::exit(0)
}
