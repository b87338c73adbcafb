//! What the small pages say, in the reader's language.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// All that the pages say in one language. Texts are HTML.
pub(super) struct Words {
    /// As `lang` says it.
    pub(super) lang: &'static str,
    /// What stands before the sender's name.
    pub(super) sender: &'static str,
    pub(super) ask_title: &'static str,
    pub(super) ask: &'static str,
    pub(super) unsubscribe: &'static str,
    pub(super) done_title: &'static str,
    pub(super) done: &'static str,
    pub(super) mistake: &'static str,
    pub(super) again: &'static str,
    pub(super) back_title: &'static str,
    pub(super) back: &'static str,
    pub(super) back_button: &'static str,
    pub(super) changed: &'static str,
    pub(super) subscribed_title: &'static str,
    pub(super) close: &'static str,
    pub(super) incomplete_title: &'static str,
    pub(super) incomplete: &'static str,
    pub(super) later_title: &'static str,
    pub(super) later: &'static str,
    pub(super) try_again: &'static str,
}

static ENGLISH: Words = Words {
    lang: "en",
    sender: "Sender:",
    ask_title: "Unsubscribe?",
    ask: "Press the button to get no more of these e-mails.",
    unsubscribe: "Unsubscribe",
    done_title: "You are unsubscribed",
    done: "You will get no more of these e-mails. You can close this page.",
    mistake: "You pressed it by mistake?",
    again: "Get them again",
    back_title: "Get these e-mails again?",
    back: "Press the button to get them again. Within ten minutes of an e-mail this does not work yet: please try \
           again then.",
    back_button: "Get these e-mails again",
    changed: "The page that you came from was out of date, so nothing has changed. As things are now, you are \
              unsubscribed from these e-mails. Press the button to get them again.",
    subscribed_title: "You get these e-mails again",
    close: "You can close this page.",
    incomplete_title: "This link is incomplete",
    incomplete: "Part of it may have been lost on the way. Open it from the e-mail again, or copy all of it.",
    later_title: "Not yet unsubscribed",
    later: "This could not be saved just now. Please try again in a moment.",
    try_again: "Try again",
};

/// English apart, to which everything else falls back.
static OTHERS: [Words; 10] = [
    Words {
        lang: "de",
        sender: "Absender:",
        ask_title: "Abmelden?",
        ask: "Drücken Sie den Knopf, um keine dieser E-Mails mehr zu erhalten.",
        unsubscribe: "Abmelden",
        done_title: "Sie sind abgemeldet",
        done: "Sie erhalten keine dieser E-Mails mehr. Sie können diese Seite schließen.",
        mistake: "War das ein Versehen?",
        again: "Wieder erhalten",
        back_title: "Diese E-Mails wieder erhalten?",
        back: "Drücken Sie den Knopf, um sie wieder zu erhalten. In den ersten zehn Minuten nach einer E-Mail geht \
               das noch nicht: Bitte versuchen Sie es dann noch einmal.",
        back_button: "Diese E-Mails wieder erhalten",
        changed: "Die Seite, von der Sie kommen, war veraltet; es hat sich nichts geändert. Zurzeit sind Sie von \
                  diesen E-Mails abgemeldet. Drücken Sie den Knopf, um sie wieder zu erhalten.",
        subscribed_title: "Sie erhalten diese E-Mails wieder",
        close: "Sie können diese Seite schließen.",
        incomplete_title: "Dieser Link ist unvollständig",
        incomplete: "Vielleicht ging unterwegs ein Teil verloren. Öffnen Sie ihn noch einmal aus der E-Mail, oder \
                     kopieren Sie ihn ganz.",
        later_title: "Noch nicht abgemeldet",
        later: "Das konnte gerade nicht gespeichert werden. Bitte versuchen Sie es gleich noch einmal.",
        try_again: "Noch einmal versuchen",
    },
    Words {
        lang: "fr",
        sender: "Expéditeur :",
        ask_title: "Se désabonner ?",
        ask: "Appuyez sur le bouton pour ne plus recevoir ces e-mails.",
        unsubscribe: "Se désabonner",
        done_title: "Vous êtes désabonné(e)",
        done: "Vous ne recevrez plus ces e-mails. Vous pouvez fermer cette page.",
        mistake: "C’était une erreur ?",
        again: "Les recevoir à nouveau",
        back_title: "Recevoir à nouveau ces e-mails ?",
        back: "Appuyez sur le bouton pour les recevoir à nouveau. Dans les dix minutes qui suivent un e-mail, cela \
               n’est pas encore possible : veuillez réessayer ensuite.",
        back_button: "Recevoir à nouveau ces e-mails",
        changed: "La page d’où vous venez n’était plus à jour, rien n’a donc changé. Actuellement, vous êtes \
                  désabonné(e) de ces e-mails. Appuyez sur le bouton pour les recevoir à nouveau.",
        subscribed_title: "Vous recevez à nouveau ces e-mails",
        close: "Vous pouvez fermer cette page.",
        incomplete_title: "Ce lien est incomplet",
        incomplete: "Une partie s’est peut-être perdue en route. Ouvrez-le à nouveau depuis l’e-mail, ou copiez-le en \
                     entier.",
        later_title: "Pas encore désabonné(e)",
        later: "L’enregistrement n’a pas pu se faire. Veuillez réessayer dans un instant.",
        try_again: "Réessayer",
    },
    Words {
        lang: "es",
        sender: "Remitente:",
        ask_title: "¿Darse de baja?",
        ask: "Pulse el botón para no recibir más estos correos.",
        unsubscribe: "Darme de baja",
        done_title: "Se ha dado de baja",
        done: "No recibirá más estos correos. Puede cerrar esta página.",
        mistake: "¿Ha sido un error?",
        again: "Volver a recibirlos",
        back_title: "¿Volver a recibir estos correos?",
        back: "Pulse el botón para volver a recibirlos. En los diez minutos que siguen a un correo todavía no es \
               posible: inténtelo de nuevo después.",
        back_button: "Volver a recibir estos correos",
        changed: "La página de la que viene estaba desactualizada, así que nada ha cambiado. Ahora mismo está dado de \
                  baja de estos correos. Pulse el botón para volver a recibirlos.",
        subscribed_title: "Vuelve a recibir estos correos",
        close: "Puede cerrar esta página.",
        incomplete_title: "Este enlace está incompleto",
        incomplete: "Puede que una parte se haya perdido por el camino. Ábralo de nuevo desde el correo o cópielo \
                     entero.",
        later_title: "Todavía no está dado de baja",
        later: "No se ha podido guardar en este momento. Inténtelo de nuevo en un instante.",
        try_again: "Intentar de nuevo",
    },
    Words {
        lang: "it",
        sender: "Mittente:",
        ask_title: "Annullare l’iscrizione?",
        ask: "Premi il pulsante per non ricevere più queste e-mail.",
        unsubscribe: "Annulla l’iscrizione",
        done_title: "Iscrizione annullata",
        done: "Non riceverai più queste e-mail. Puoi chiudere questa pagina.",
        mistake: "È stato un errore?",
        again: "Riceverle di nuovo",
        back_title: "Ricevere di nuovo queste e-mail?",
        back: "Premi il pulsante per riceverle di nuovo. Nei dieci minuti dopo un’e-mail non è ancora possibile: \
               riprova più tardi.",
        back_button: "Ricevere di nuovo queste e-mail",
        changed: "La pagina da cui vieni non era aggiornata, quindi non è cambiato nulla. Al momento non sei iscritto a \
                  queste e-mail. Premi il pulsante per riceverle di nuovo.",
        subscribed_title: "Ricevi di nuovo queste e-mail",
        close: "Puoi chiudere questa pagina.",
        incomplete_title: "Questo link è incompleto",
        incomplete: "Forse una parte si è persa per strada. Aprilo di nuovo dall’e-mail o copialo per intero.",
        later_title: "Iscrizione non ancora annullata",
        later: "Non è stato possibile salvare. Riprova tra un attimo.",
        try_again: "Riprova",
    },
    Words {
        lang: "pt",
        sender: "Remetente:",
        ask_title: "Cancelar a inscrição?",
        ask: "Pressione o botão para não receber mais estes e-mails.",
        unsubscribe: "Cancelar a inscrição",
        done_title: "Inscrição cancelada",
        done: "Você não receberá mais estes e-mails. Pode fechar esta página.",
        mistake: "Foi um engano?",
        again: "Voltar a recebê-los",
        back_title: "Voltar a receber estes e-mails?",
        back: "Pressione o botão para voltar a recebê-los. Nos dez minutos após um e-mail isso ainda não é possível: \
               tente novamente depois.",
        back_button: "Voltar a receber estes e-mails",
        changed: "A página de onde você veio estava desatualizada, por isso nada mudou. No momento, a sua inscrição \
                  nestes e-mails está cancelada. Pressione o botão para voltar a recebê-los.",
        subscribed_title: "Você volta a receber estes e-mails",
        close: "Pode fechar esta página.",
        incomplete_title: "Este link está incompleto",
        incomplete: "Uma parte pode ter-se perdido no caminho. Abra-o novamente a partir do e-mail ou copie-o por \
                     inteiro.",
        later_title: "Inscrição ainda não cancelada",
        later: "Não foi possível salvar agora. Tente novamente daqui a pouco.",
        try_again: "Tentar novamente",
    },
    Words {
        lang: "nl",
        sender: "Afzender:",
        ask_title: "Afmelden?",
        ask: "Druk op de knop om deze e-mails niet meer te ontvangen.",
        unsubscribe: "Afmelden",
        done_title: "U bent afgemeld",
        done: "U ontvangt deze e-mails niet meer. U kunt deze pagina sluiten.",
        mistake: "Was dat een vergissing?",
        again: "Weer ontvangen",
        back_title: "Deze e-mails weer ontvangen?",
        back: "Druk op de knop om ze weer te ontvangen. In de eerste tien minuten na een e-mail kan dat nog niet: \
               probeer het daarna opnieuw.",
        back_button: "Deze e-mails weer ontvangen",
        changed: "De pagina waar u vandaan komt was verouderd; er is niets veranderd. Op dit moment bent u afgemeld \
                  voor deze e-mails. Druk op de knop om ze weer te ontvangen.",
        subscribed_title: "U ontvangt deze e-mails weer",
        close: "U kunt deze pagina sluiten.",
        incomplete_title: "Deze link is onvolledig",
        incomplete: "Misschien is onderweg een deel verloren gegaan. Open hem opnieuw vanuit de e-mail of kopieer hem \
                     helemaal.",
        later_title: "Nog niet afgemeld",
        later: "Dit kon zojuist niet worden opgeslagen. Probeer het zo dadelijk opnieuw.",
        try_again: "Opnieuw proberen",
    },
    Words {
        lang: "pl",
        sender: "Nadawca:",
        ask_title: "Zrezygnować z subskrypcji?",
        ask: "Naciśnij przycisk, aby nie otrzymywać więcej tych e-maili.",
        unsubscribe: "Zrezygnuj",
        done_title: "Subskrypcja anulowana",
        done: "Nie będziesz już otrzymywać tych e-maili. Możesz zamknąć tę stronę.",
        mistake: "To była pomyłka?",
        again: "Otrzymuj je znowu",
        back_title: "Otrzymywać znowu te e-maile?",
        back: "Naciśnij przycisk, aby je znowu otrzymywać. Przez pierwsze dziesięć minut po e-mailu nie jest to jeszcze \
               możliwe: spróbuj ponownie później.",
        back_button: "Otrzymuj znowu te e-maile",
        changed: "Strona, z której przychodzisz, była nieaktualna, więc nic się nie zmieniło. Obecnie subskrypcja tych \
                  e-maili jest anulowana. Naciśnij przycisk, aby je znowu otrzymywać.",
        subscribed_title: "Znowu otrzymujesz te e-maile",
        close: "Możesz zamknąć tę stronę.",
        incomplete_title: "Ten link jest niekompletny",
        incomplete: "Być może jego część zginęła po drodze. Otwórz go ponownie z e-maila albo skopiuj w całości.",
        later_title: "Subskrypcja jeszcze nie anulowana",
        later: "Nie udało się tego teraz zapisać. Spróbuj ponownie za chwilę.",
        try_again: "Spróbuj ponownie",
    },
    Words {
        lang: "tr",
        sender: "Gönderen:",
        ask_title: "Abonelikten çıkılsın mı?",
        ask: "Bu e-postaları artık almamak için düğmeye basın.",
        unsubscribe: "Abonelikten çık",
        done_title: "Abonelikten çıktınız",
        done: "Bu e-postaları artık almayacaksınız. Bu sayfayı kapatabilirsiniz.",
        mistake: "Yanlışlıkla mı bastınız?",
        again: "Yeniden al",
        back_title: "Bu e-postalar yeniden alınsın mı?",
        back: "Yeniden almak için düğmeye basın. Bir e-postadan sonraki ilk on dakikada bu henüz çalışmaz: lütfen daha \
               sonra yeniden deneyin.",
        back_button: "Bu e-postaları yeniden al",
        changed: "Geldiğiniz sayfa güncel değildi, bu yüzden hiçbir şey değişmedi. Şu anda bu e-postaların \
                  aboneliğinden çıkmış durumdasınız. Yeniden almak için düğmeye basın.",
        subscribed_title: "Bu e-postaları yeniden alıyorsunuz",
        close: "Bu sayfayı kapatabilirsiniz.",
        incomplete_title: "Bu bağlantı eksik",
        incomplete: "Bir bölümü yolda kaybolmuş olabilir. E-postadan yeniden açın ya da tamamını kopyalayın.",
        later_title: "Henüz abonelikten çıkılmadı",
        later: "Şu anda kaydedilemedi. Lütfen birazdan yeniden deneyin.",
        try_again: "Yeniden dene",
    },
    Words {
        lang: "ja",
        sender: "送信者：",
        ask_title: "配信を停止しますか？",
        ask: "このメールの受信を停止するには、ボタンを押してください。",
        unsubscribe: "配信を停止する",
        done_title: "配信を停止しました",
        done: "今後このメールは届きません。このページは閉じてかまいません。",
        mistake: "間違えて押しましたか？",
        again: "もう一度受け取る",
        back_title: "このメールをもう一度受け取りますか？",
        back: "もう一度受け取るには、ボタンを押してください。メールの送信から十分以内はまだ操作できません。その後もう一度お試しください。",
        back_button: "このメールをもう一度受け取る",
        changed: "前のページの内容が古かったため、何も変更されていません。現在、このメールの配信は停止されています。もう一度受け取るには、ボタンを押してください。",
        subscribed_title: "このメールの配信を再開しました",
        close: "このページは閉じてかまいません。",
        incomplete_title: "リンクが不完全です",
        incomplete: "リンクの一部が失われた可能性があります。メールからもう一度開くか、全体をコピーしてください。",
        later_title: "配信はまだ停止されていません",
        later: "ただいま保存できませんでした。しばらくしてからもう一度お試しください。",
        try_again: "もう一度試す",
    },
    Words {
        lang: "zh",
        sender: "发件人：",
        ask_title: "要退订吗？",
        ask: "按下按钮，即可不再收到这些邮件。",
        unsubscribe: "退订",
        done_title: "您已退订",
        done: "您将不再收到这些邮件。您可以关闭此页面。",
        mistake: "是误操作吗？",
        again: "重新接收",
        back_title: "要重新接收这些邮件吗？",
        back: "按下按钮即可重新接收。邮件发出后的十分钟内暂时无法操作，请稍后再试。",
        back_button: "重新接收这些邮件",
        changed: "您来自的页面已过期，因此没有任何更改。目前您已退订这些邮件。按下按钮即可重新接收。",
        subscribed_title: "您将重新收到这些邮件",
        close: "您可以关闭此页面。",
        incomplete_title: "此链接不完整",
        incomplete: "链接的一部分可能在途中丢失。请从邮件中重新打开，或复制完整链接。",
        later_title: "尚未退订",
        later: "暂时无法保存。请稍后再试。",
        try_again: "重试",
    },
];

/// Entries of a header that are looked at: nobody reads more languages.
const MOST_ENTRIES: usize = 32;

impl Words {
    /// In the language that the reader's program asks for most, of those that there are.
    pub(super) fn of(headers: &HeaderMap) -> &'static Self {
        let asked = headers.get_all(ACCEPT_LANGUAGE).iter();
        let asked = asked.filter_map(|value| value.to_str().ok());
        let entries = asked.flat_map(|value| value.split(',')).take(MOST_ENTRIES);
        let mut best: Option<(u32, &'static Self)> = None;
        for (language, weight) in entries.filter_map(entry) {
            let Some(words) = known(language).filter(|_| weight > 0) else {
                continue;
            };
            // Of equal ones the first.
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, words));
            }
        }
        best.map_or(&ENGLISH, |(_, words)| words)
    }
}

/// A language and its weight, in thousandths (RFC 9110, section 12.4.2).
fn entry(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let language = parts.next().filter(|language| !language.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    let weight = match weight {
        None => 1_000,
        Some(weight) => {
            let weight: f64 = weight.parse().ok()?;
            // Between 0 and 1,000.
            (weight.clamp(0.0, 1.0) * 1_000.0) as u32
        }
    };
    Some((language, weight))
}

/// By the language itself, whatever its region or script.
fn known(tag: &str) -> Option<&'static Words> {
    let language = tag.split('-').next().unwrap_or_default();
    let mut all = std::iter::once(&ENGLISH).chain(&OTHERS);
    all.find(|words| words.lang.eq_ignore_ascii_case(language))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lang_of(header: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(header).unwrap());
        Words::of(&headers).lang
    }

    #[test]
    fn the_language_that_is_asked_for_most_is_spoken_and_english_where_none_is_known() {
        assert_eq!(Words::of(&HeaderMap::new()).lang, "en");
        for (header, lang) in [
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("DE-ch", "de"),
            ("sw,fr;q=0.5", "fr"),
            ("en-US,en;q=0.9,ja;q=0.8", "en"),
            ("en;q=0.5,ja;q=0.8", "ja"),
            ("zh-Hant-TW", "zh"),
            ("pt-BR;q=0.9, es;q=0.9", "pt"),
            ("fr;q=0, it;q=0.1", "it"),
            ("fr;q=0", "en"),
            ("*", "en"),
            ("", "en"),
            ("de;q=x, nl;q=0.2", "nl"),
            ("deutsch", "en"),
        ] {
            assert_eq!(lang_of(header), lang, "{header}");
        }
    }

    #[test]
    fn there_are_ten_languages_beside_english_and_each_once() {
        let mut all: Vec<_> = OTHERS.iter().map(|words| words.lang).collect();
        all.push(ENGLISH.lang);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 11);
    }
}
