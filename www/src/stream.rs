//! The live stream: the browser's `EventSource`, told as signals.

use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{EventSource, MessageEvent};

/// How many earlier events a page that was just opened asks for.
const RECENT: u32 = 100;

/// What happens to the stream.
pub(crate) enum Signal {
    Open,
    /// Nothing new, and the connection stands: at least every 15 s where there is no message.
    Heartbeat,
    Message {
        data: String,
        id: String,
    },
    /// The connection is gone; `for_good` where the browser will not try again by itself.
    Lost {
        for_good: bool,
    },
}

/// An open stream; closed when dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    source: EventSource,
    _listeners: [EventListener; 4],
}

impl Stream {
    /// Opens the stream behind the message with this id, or with the newest events.
    pub(crate) fn open(
        last_id: Option<&str>,
        signal: impl Fn(Signal) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let source = EventSource::new(&address(last_id))?;
        let opened = signal.clone();
        let open = EventListener::new(&source, "open", move |_| opened(Signal::Open));
        let told = signal.clone();
        let message = EventListener::new(&source, "message", move |event| {
            let Some(event) = event.dyn_ref::<MessageEvent>() else {
                return;
            };
            if let Some(data) = event.data().as_string() {
                told(Signal::Message {
                    data,
                    id: event.last_event_id(),
                });
            }
        });
        let alive = signal.clone();
        let heartbeat = EventListener::new(&source, "heartbeat", move |_| alive(Signal::Heartbeat));
        let at_error = source.clone();
        let error = EventListener::new(&source, "error", move |_| {
            signal(Signal::Lost {
                for_good: at_error.ready_state() == EventSource::CLOSED,
            });
        });
        Ok(Self {
            source,
            _listeners: [open, message, heartbeat, error],
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// The header Last-Event-ID cannot be set by a page, so the id goes into the address.
fn address(last_id: Option<&str>) -> String {
    match last_id {
        Some(id) => format!(
            "/v1/live?recent={RECENT}&lastEventId={}",
            percent_encoded(id)
        ),
        None => format!("/v1/live?recent={RECENT}"),
    }
}

/// For a part of an address; also an id within a path.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_on_behind_the_last_message() {
        assert_eq!(address(None), "/v1/live?recent=100");
        assert_eq!(
            address(Some("a.b/c")),
            "/v1/live?recent=100&lastEventId=a%2Eb%2Fc"
        );
    }
}
