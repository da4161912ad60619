//! The names in a certificate (RFC 5280). Nothing is verified: whoever shows it may not own it.

use event::Text;

use crate::identify::identity::text;
use crate::identify::reader::Reader;

/// The most names that are kept.
const MOST: usize = 32;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Who a certificate says it is for, and of whom.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) subject: Option<Text>,
    pub(super) issuer: Option<Text>,
    pub(super) alternatives: Vec<Text>,
}

impl Names {
    /// Reads the DER of a certificate; `None` if it isn't one.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader::new(inside(&mut Reader::new(der), SEQUENCE)?);
        let mut fields = Reader::new(inside(&mut certificate, SEQUENCE)?);
        if fields.rest().first() == Some(&VERSION) {
            value(&mut fields)?;
        }
        value(&mut fields)?; // serial number
        value(&mut fields)?; // signature algorithm
        let issuer = common_name(inside(&mut fields, SEQUENCE)?);
        value(&mut fields)?; // validity
        let subject = common_name(inside(&mut fields, SEQUENCE)?);
        let mut names = Self { subject, issuer, alternatives: Vec::new() };
        while let Some((kind, content)) = value(&mut fields) {
            if kind == EXTENSIONS {
                names.alternatives = alternatives(content).unwrap_or_default();
            }
        }
        Some(names)
    }
}

/// The next value: its tag and its content. Lengths of one to three bytes are enough for what is held.
fn value<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let kind = reader.byte()?;
    let length = match reader.byte()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(reader.byte()?),
        0x82 => usize::from(reader.short()?),
        _ => return None,
    };
    Some((kind, reader.take(length)?))
}

fn inside<'a>(reader: &mut Reader<'a>, wanted: u8) -> Option<&'a [u8]> {
    value(reader).filter(|(kind, _)| *kind == wanted).map(|(_, content)| content)
}

fn common_name(name: &[u8]) -> Option<Text> {
    let mut reader = Reader::new(name);
    loop {
        let mut attribute = Reader::new(inside(&mut Reader::new(inside(&mut reader, SET)?), SEQUENCE)?);
        if inside(&mut attribute, OID)? == COMMON_NAME {
            return value(&mut attribute).map(|(_, content)| text(content));
        }
    }
}

fn alternatives(extensions: &[u8]) -> Option<Vec<Text>> {
    let mut reader = Reader::new(inside(&mut Reader::new(extensions), SEQUENCE)?);
    loop {
        let mut extension = Reader::new(inside(&mut reader, SEQUENCE)?);
        if inside(&mut extension, OID)? != ALTERNATIVE_NAME {
            continue;
        }
        let mut found = value(&mut extension)?;
        if found.0 != OCTET_STRING {
            found = value(&mut extension)?; // behind the flag "critical"
        }
        let mut names = Reader::new(inside(&mut Reader::new(found.1), SEQUENCE)?);
        let names = std::iter::from_fn(|| value(&mut names));
        return Some(names.filter_map(|(kind, name)| alternative(kind, name)).take(MOST).collect());
    }
}

fn alternative(kind: u8, name: &[u8]) -> Option<Text> {
    match kind {
        DNS_NAME => Some(text(name)),
        ADDRESS => {
            let four = <[u8; 4]>::try_from(name).map(std::net::IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(name).map(std::net::IpAddr::from)).ok()?;
            Some(text(address.to_string().as_bytes()))
        }
        _ => None,
    }
}
