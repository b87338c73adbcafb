//! The agents of mail clients that `mail-clients.txt` names, each in every form.

const FILE: &str = include_str!("mail-clients.txt");
const VERSION: &str = "/7.4.1";

/// All of them.
pub(crate) fn mail_clients() -> Vec<String> {
    let of = |kind: &'static str| {
        FILE.lines()
            .filter_map(move |line| line.strip_prefix(kind)?.strip_prefix(' '))
    };
    let filled = |form: &str, name: &str| form.replace("{}", &format!("{name}{VERSION}"));
    let named = of("name").flat_map(|name| of("form").map(move |form| filled(form, name)));
    let desktop = of("desktop").flat_map(|name| {
        let forms = of("form").filter(|form| form.contains(" Electron/"));
        forms.map(move |form| filled(form, name))
    });
    named
        .chain(desktop)
        .chain(of("agent").map(str::to_owned))
        .collect()
}
