//! The form of an address that identifies a contact.
//!
//! The part before the @ is the mailbox provider's to read, so only what no provider tells apart is
//! made equal: NFC and case. The domain is DNS's, where IDNA (UTS 46) says what is equal. A rule that
//! turns other characters into ASCII would let one person's address be taken for another's, so what
//! would become ASCII before the @ is refused.

use alloc::borrow::Cow;
use alloc::string::String;

use email_address::{EmailAddress, Options};
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::EmailError;
use crate::limits::{MAX_EMAIL_BYTES, MAX_EMAIL_SENT_BYTES, MAX_LOCAL_BYTES};

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
/// What STD3 (RFC 1123, section 2.1) keeps out of host names, save the underscore: private networks
/// have mail servers with one, and it can be mistaken for nothing.
const NOT_IN_HOSTS: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// The normalised form of a trimmed address. Its own form is itself.
pub(super) fn form_of(text: &str) -> Result<String, EmailError> {
    if text.len() > MAX_EMAIL_SENT_BYTES {
        return Err(EmailError::TooLong);
    }
    // Even where RFC 5322 would let a quoted text hold them: they would end a mail header.
    if text.chars().any(char::is_control) {
        return Err(EmailError::Syntax);
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        let is_full_width = text.contains('\u{ff20}');
        return Err(if is_full_width {
            EmailError::FullWidth
        } else {
            EmailError::Syntax
        });
    };
    if text.contains(" <") || text.ends_with('>') {
        return Err(EmailError::DisplayName);
    }
    let local = local_form(local)?;
    let domain = domain_form(domain)?;
    if local.len() > MAX_LOCAL_BYTES || local.len() + 1 + domain.len() > MAX_EMAIL_BYTES {
        return Err(EmailError::TooLong);
    }
    // The grammar is judged on ASCII: any other character may stand where a letter may (RFC 6532,
    // section 3.2), which the library knows of some of them alone.
    let skeleton: String = local
        .chars()
        .map(|c| if c.is_ascii() { c } else { 'x' })
        .chain(['@'])
        .chain(domain.chars())
        .collect();
    let options = Options::default()
        .with_no_minimum_sub_domains()
        .without_display_text();
    EmailAddress::parse_with_options(&skeleton, options).map_err(|_| EmailError::Syntax)?;
    let mut form = local;
    form.push('@');
    form.push_str(&domain);
    Ok(form)
}

/// The part before the @, unless its form would be somebody else's.
fn local_form(local: &str) -> Result<String, EmailError> {
    if local.is_ascii() {
        return Ok(local.to_ascii_lowercase());
    }
    let mut before = None;
    for c in local.chars() {
        if !c.is_ascii() {
            check(c, before)?;
        }
        before = Some(c);
    }
    let composed = NFC.normalize(local);
    // Composing may make such a character of harmless ones: `I` and a dot above make U+0130.
    if composed.chars().any(becomes_ascii) {
        return Err(EmailError::BecomesAscii);
    }
    let lower: String = composed.chars().flat_map(char::to_lowercase).collect();
    // Some compose in lower case alone: `t` with a diaeresis does, `T` with one does not.
    Ok(NFC.normalize(&lower).into_owned())
}

/// Whether this character, which is not ASCII, may stand before the @ behind that one.
fn check(c: char, before: Option<char>) -> Result<(), EmailError> {
    use GeneralCategory as Category;
    if matches!(c, '\u{ff01}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}') {
        return Err(EmailError::FullWidth);
    }
    if becomes_ascii(c) {
        return Err(EmailError::BecomesAscii);
    }
    // Scripts of India write them, behind a virama (RFC 5892, appendix A).
    let joins = matches!(c, '\u{200c}' | '\u{200d}') && before.is_some_and(is_virama);
    let category = CodePointMapData::<Category>::new().get(c);
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    match category {
        _ if joins => Ok(()),
        Category::Format
        | Category::SpaceSeparator
        | Category::LineSeparator
        | Category::ParagraphSeparator => Err(EmailError::Invisible),
        _ if is_ignorable => Err(EmailError::Invisible),
        // What is assigned later may come with a case and with compositions.
        Category::Unassigned | Category::PrivateUse => Err(EmailError::Unassigned),
        _ => Ok(()),
    }
}

/// Whether NFC or lower case makes ASCII of a character that is not.
fn becomes_ascii(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    let composed = NFC.normalize(c.encode_utf8(&mut [0; 4])).into_owned();
    composed
        .chars()
        .chain(c.to_lowercase())
        .any(|c| c.is_ascii())
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// The domain as A-labels; an address in brackets in lower case.
fn domain_form(domain: &str) -> Result<Cow<'_, str>, EmailError> {
    if domain.is_empty() {
        return Err(EmailError::Syntax);
    }
    if domain.starts_with('[') {
        return if domain.is_ascii() {
            Ok(domain.to_ascii_lowercase().into())
        } else {
            Err(EmailError::Domain)
        };
    }
    // Hyphens in the third and fourth place are in use, see the library.
    Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            NOT_IN_HOSTS,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| EmailError::Domain)
}
