//! nginx as the anchor: an empty GIF from memory and a line in the access log, never synced.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::child::{Tied, wait_for_listener};

/// Keeps nginx until its own stdin ends; nginx itself would outlive whoever started it.
const TIE: &str = r#""$@" & nginx=$!; read -r _; kill "$nginx"; wait "$nginx""#;

pub(crate) struct Nginx {
    _process: Tied,
    address: SocketAddr,
}

impl Nginx {
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
        match Command::new("nginx").arg("-v").output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err("nginx is missing: install it (Debian: apt-get install nginx-light), or call `./dev bench`, which does".into());
            }
            found => found?,
        };
        // nginx cannot say which port it got. Nobody else takes one in this moment, or the start fails.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        std::fs::write(folder.join("nginx.conf"), configuration(folder, address))?;
        let process = Tied::spawn(
            Command::new("sh")
                .args(["-c", TIE, "sh", "nginx", "-e", "stderr", "-p"])
                .arg(folder)
                .args(["-c", "nginx.conf"]),
        )?;
        wait_for_listener(address)?;
        Ok(Self {
            _process: process,
            address,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/p.gif", self.address)
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    // A connection is never closed, as with us: the default is after 1,000 requests.
    format!(
        r#"daemon off;
worker_processes 2;
pid "{folder}/nginx.pid";
events {{ worker_connections 1024; }}
http {{
    access_log "{folder}/access.log" combined;
    keepalive_requests 1000000000;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    server {{
        listen {address};
        location = /p.gif {{ empty_gif; }}
    }}
}}
"#
    )
}
