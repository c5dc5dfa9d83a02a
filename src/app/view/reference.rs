//! The API reference: what the document says, ready to be shown.

/// The page `/docs`.
#[derive(Clone, Default)]
pub struct ReferenceView {
    /// What holds for all calls.
    pub intro: String,
    /// The calls, by what they are about.
    pub groups: Vec<CallGroup>,
    /// The objects that calls answer with.
    pub objects: Vec<ObjectView>,
    /// Address of this server, for samples.
    pub origin: String,
}

/// Calls about one thing.
#[derive(Clone, Default)]
pub struct CallGroup {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// Its calls.
    pub calls: Vec<CallView>,
}

/// One call.
#[derive(Clone, Default)]
pub struct CallView {
    /// Its id, which is also its place on the page.
    pub id: String,
    /// Its method; `ANY` for every one.
    pub method: String,
    /// Its path.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// More about it.
    pub about: String,
    /// Who may call it: `anyone`, `customer` or `backend`.
    pub role: String,
    /// What stands in its path, query and headers.
    pub parameters: Vec<FieldRow>,
    /// What its body has.
    pub body: Vec<FieldRow>,
    /// What comes back.
    pub answers: Vec<AnswerRow>,
    /// A body to begin with, as JSON.
    pub sample_body: Option<String>,
    /// A path to begin with.
    pub sample_path: String,
}

/// A parameter or a member of an object.
#[derive(Clone, Default)]
pub struct FieldRow {
    /// Its name; members of members have dots.
    pub name: String,
    /// Its type, its range and where it stands.
    pub kind: String,
    /// It has to be there.
    pub required: bool,
    /// What it means.
    pub about: String,
    /// The object it is.
    pub object: Option<String>,
}

/// What can come back.
#[derive(Clone, Default)]
pub struct AnswerRow {
    /// HTTP status, or `other`.
    pub status: String,
    /// When.
    pub about: String,
    /// Its type.
    pub kind: String,
    /// The object it holds.
    pub object: Option<String>,
    /// Members that it has beside or instead of an object.
    pub fields: Vec<FieldRow>,
}

/// An object.
#[derive(Clone, Default)]
pub struct ObjectView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Its members.
    pub fields: Vec<FieldRow>,
}
