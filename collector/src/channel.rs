//! What comes through a channel, as the stream that a body is made of.

use futures_util::stream::{self, Stream};
use tokio::sync::mpsc;

/// Ends when its senders are gone. Dropping it tells them that nobody reads any more.
pub(crate) fn through<T: Send + 'static>(
    mut receiver: mpsc::Receiver<T>,
) -> impl Stream<Item = T> + Send + 'static {
    stream::poll_fn(move |context| receiver.poll_recv(context))
}
