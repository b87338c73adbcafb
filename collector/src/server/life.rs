//! The life of a `misar serve`: what is opened, in which order it stops, and how commands reach it.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::service_manager::ServiceManager;
use super::settings::{LogFormat, Settings};
use super::signals::{self, Stop};
use super::{operators, raise_open_files, serve, serve_router};
use crate::app::App;
use crate::control::ControlSocket;
use crate::demo_shop::DemoShop;
use crate::erasing::ErasuresFile;
use crate::public_url::{PUBLIC_URL_MISSING, PublicUrl, Reach};
use crate::retention;
use crate::router::{metrics_router, operators_router};
use crate::routes::admin::Desk;
use crate::terminal;
use store::clock::SystemClock;
use store::folder::DataFolder;

/// How often the times at which keys were last used go to disk.
const LAST_USED_PAUSE: Duration = Duration::from_secs(60);

/// Runs until SIGTERM, SIGINT or SIGHUP; then what is in flight finishes, and everything is on disk.
///
/// # Errors
/// A sentence that says what to do.
pub fn run(settings: &Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    runtime.block_on(live(settings))
}

async fn live(settings: &Settings) -> Result<(), String> {
    if let Err(error) = raise_open_files() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    signals::ignore_user_signals().map_err(|error| error.to_string())?;
    let manager = ServiceManager::of_environment();
    manager.is_opening(&settings.data.display().to_string());
    let folder = DataFolder::open(&settings.data).map_err(|error| error.to_string())?;
    // Bound before the log opens, so that a taken port is said at once.
    let listener = bind(settings.listen, "--listen").await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let shop_listener = match settings.demo_listen {
        Some(address) => Some(bind(address, "--demo-listen").await?),
        None => None,
    };
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(bind(address, "--metrics-listen").await?),
        None => None,
    };
    let public_url = settings.public_url.clone();
    let mut app = App::open_with(
        folder.path(),
        settings.trusted_proxies.clone(),
        public_url.unwrap_or_else(|| PublicUrl::listening_on(address)),
        Arc::new(SystemClock),
        settings.cache,
    )
    .map_err(|error| error.to_string())?;
    if let Some(path) = &settings.erasures {
        app.erasures = Arc::new(ErasuresFile::at(path.clone()));
    }
    app.privacy = settings.privacy;
    if settings.require_signed_identify {
        app.require_signed_identify();
    }
    let app = Arc::new(app);
    let socket = ControlSocket::bind(&folder)
        .map_err(|error| format!("the socket for commands could not be made: {error}"))?;
    let (stop, stopping) = watch::channel(());
    let mut stop_signals = Stop::listen().map_err(|error| error.to_string())?;

    let until_stop = |mut stopping: watch::Receiver<()>| async move {
        // An error means that the sender is gone, which is a stop too.
        stopping.changed().await.ok();
    };
    let commands = tokio::spawn(serve_operator(
        socket,
        Arc::clone(&app),
        until_stop(stopping.clone()),
    ));
    let keys = tokio::spawn(note_last_used(
        Arc::clone(&app),
        until_stop(stopping.clone()),
    ));
    let retaining = tokio::spawn(retention::follow(
        Arc::clone(&app),
        settings.retention,
        until_stop(stopping.clone()),
    ));

    tracing::info!(
        "listening on http://{address}, data in {}",
        folder.path().display()
    );
    if !app
        .meta
        .workspaces()
        .iter()
        .any(|workspace| !app.meta.keys(workspace.id).is_empty())
    {
        tracing::info!(
            "there is no key yet: misar keys create --scope send,read --data {}",
            folder.path().display()
        );
    }
    warn_of_public_url(&app.public_url);
    show_link(&app, settings.log_format);
    if let Some(listener) = metrics_listener {
        serve_metrics(&app, listener, until_stop(stopping.clone()))?;
    }
    let shop = match shop_listener {
        Some(listener) => Some(open_shop(&app, listener, address, until_stop(stopping))?),
        None => None,
    };
    manager.is_ready(&format!("taking events on http://{address}"));
    let draining = Arc::clone(&app);
    let served = async {
        serve(listener, Arc::clone(&app), async {
            stop_signals.signalled().await;
            tracing::info!("stopping: no new connections, requests in flight finish");
            manager.is_stopping();
            draining.start_draining();
        })
        .await;
        drop(stop);
        if let Some(shop) = shop {
            // Nobody need wait for a demo.
            shop.abort();
        }
        for task in [commands, keys, retaining] {
            task.await.map_err(|error| error.to_string())?;
        }
        app.close().await.map_err(|error| error.to_string())
    };
    tokio::select! {
        closed = served => closed?,
        () = manager.live() => {}
    }
    tracing::info!("stopped: everything is on disk");
    Ok(())
}

/// Says how to open the live page. The link lets its reader in, so it is shown to a person at a
/// terminal, and never to what collects lines.
fn show_link(app: &App, format: LogFormat) {
    let is_person = std::io::stderr().is_terminal() && format == LogFormat::Text;
    if !is_person {
        tracing::info!("`misar link` prints a link to watch events arrive");
        return;
    }
    match app.make_link() {
        Ok(link) => terminal::tell(&format!(
            "open {link} to watch events arrive; the link works once"
        )),
        Err(error) => tracing::warn!(%error, "no link to the live page could be made"),
    }
}

/// Says before the first mail where its links would lead.
fn warn_of_public_url(url: &PublicUrl) {
    match url.reach() {
        Reach::AsSaid => {}
        Reach::ThisMachine => tracing::warn!(
            "the public URL is {url}, which only this machine reaches: links in mails would be dead. Give --public-url \
             before mails are sent"
        ),
        Reach::Guessed => tracing::warn!("/v1/messages is refused: {PUBLIC_URL_MISSING}"),
    }
}

/// Serves the metrics alone. It ends with the process: nobody need wait for a scrape.
fn serve_metrics(
    app: &Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!("metrics are at http://{address}/metrics, for everybody who reaches it");
    let (router, metrics) = (metrics_router(Arc::clone(app)), app.metrics.clone());
    tokio::spawn(async move { serve_router(listener, router, &metrics, stop).await });
    Ok(())
}

/// Listens on an address that came with `flag`.
async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        format!("{address} cannot be listened on ({error}): choose another with {flag}")
    })
}

/// Serves the demo shop, which reaches the collector at `collector`.
fn open_shop(
    app: &App,
    listener: TcpListener,
    collector: SocketAddr,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let shop = DemoShop::open(app, address, collector).map_err(|error| error.to_string())?;
    let metrics = app.metrics.clone();
    tracing::info!("the demo shop is at {}", PublicUrl::listening_on(address));
    Ok(tokio::spawn(async move {
        serve_router(listener, shop.router(), &metrics, stop).await;
    }))
}

/// Serves whoever may reach the data folder.
async fn serve_operator(socket: ControlSocket, app: Arc<App>, stop: impl Future<Output = ()>) {
    let long_work = Arc::clone(&app.long_work);
    let desk = Desk::of_operator(app, Arc::clone(&long_work));
    operators::serve(socket, operators_router(desk), &long_work, stop).await;
}

async fn note_last_used(app: Arc<App>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LAST_USED_PAUSE) => {}
        }
        let app = Arc::clone(&app);
        let noted = tokio::task::spawn_blocking(move || app.meta.flush_last_used()).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "the times at which keys were last used could not be noted");
        }
    }
}
