//! The XML of a part, as tags and texts. Entities that a document declares are none of ours: they can be
//! unfolded to gigabytes, and can name other files.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesEnd, BytesStart, Event};

use super::super::limits::DEPTH_MAX;
use super::archive::Bounded;
use super::words::Fault;

pub(super) struct Xml {
    reader: Reader<Bounded>,
    buffer: Vec<u8>,
    depth: usize,
}

/// A tag that opens (and closes at once, if it is empty), one that closes, or text.
pub(super) enum Node<'a> {
    Open(Tag<'a>),
    Close(Closed<'a>),
    Text(Cow<'a, str>),
    /// Comments and the like.
    Other,
    /// The document is over, and all its tags are closed.
    End,
}

pub(super) struct Tag<'a>(BytesStart<'a>);

pub(super) struct Closed<'a>(BytesEnd<'a>);

impl Closed<'_> {
    /// Without its colon.
    pub(super) fn prefix(&self) -> Option<&str> {
        self.0.name().prefix().map(|prefix| prefix.into_inner())
    }

    /// Without the prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }
}

impl Tag<'_> {
    /// Without its colon.
    pub(super) fn prefix(&self) -> Option<&str> {
        self.0.name().prefix().map(|prefix| prefix.into_inner())
    }

    /// Without the prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The attribute of this name, prefix included.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(|found| found == name)
    }

    /// The attribute of this name, whatever its prefix.
    pub(super) fn get_local(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(|found| found.rsplit(':').next() == Some(name))
    }

    fn find(&self, is_wanted: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
        let mut all = self.0.attributes();
        // Without looking for doubled ones, which takes the square of their number.
        let found = all.with_checks(false).flatten().find(|attribute| is_wanted(attribute.key.as_ref()))?;
        match found.value {
            Cow::Borrowed(raw) => quick_xml::escape::unescape(raw).ok(),
            Cow::Owned(raw) => {
                quick_xml::escape::unescape(&raw).ok().map(|text| Cow::Owned(text.into_owned()))
            }
        }
    }
}

impl Xml {
    pub(super) fn new(bytes: Bounded) -> Self {
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Node<'_>, Fault> {
        self.buffer.clear();
        self.reader.get_mut().next_piece();
        let at = self.reader.buffer_position();
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => {
                return Err(match (self.reader.get_mut().hit(), error) {
                    (Some(fault), _) => fault,
                    (None, quick_xml::Error::Io(error)) => {
                        Fault::of_reading(std::io::Error::new(error.kind(), error))
                    }
                    (None, _) => damaged(&self.reader, at),
                });
            }
        };
        Ok(match event {
            Event::Start(tag) | Event::Empty(tag) => {
                self.depth += 1;
                if DEPTH_MAX < self.depth {
                    return Err(Fault::TooDeep);
                }
                Node::Open(Tag(tag))
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                Node::Close(Closed(tag))
            }
            Event::Text(text) => Node::Text(text.xml10_content()),
            Event::CData(text) => Node::Text(text.xml10_content()),
            Event::GeneralRef(reference) => {
                let char = match &*reference {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().map_err(|_| damaged(&self.reader, at))?,
                };
                Node::Text(Cow::Owned(char.ok_or(Fault::Entities)?.to_string()))
            }
            Event::DocType(_) => return Err(Fault::Entities),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Node::Other,
            Event::Eof if 0 < self.depth => return Err(Fault::Ends),
            Event::Eof => Node::End,
        })
    }

    /// Calls `open` with each tag of the document.
    pub(super) fn each(mut self, mut open: impl FnMut(&Tag<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            match self.next()? {
                Node::Open(tag) => open(&tag)?,
                Node::End => return Ok(()),
                Node::Close(_) | Node::Text(_) | Node::Other => {}
            }
        }
    }
}

fn damaged(reader: &Reader<Bounded>, at: u64) -> Fault {
    Fault::Part { part: reader.get_ref().name().to_owned(), at }
}
