//! What can go wrong with datasets: their artifacts, their sources, their splits.

use std::io;
use std::path::PathBuf;

use crate::archive::ArchiveError;
use crate::s3::S3Error;
use crate::web::WebError;

/// Why a dataset could not be read, made or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Reading or writing failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a dataset artifact does not keep to the format.
    #[error("`{file}` {reason}")]
    Artifact {
        /// The file, relative to the artifact.
        file: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A project file is not what was planned.
    #[error("`{path}` changed while running")]
    Changed {
        /// The file, relative to the project.
        path: String,
    },
    /// The project has no such file.
    #[error("the project has no file `{path}`")]
    NoFile {
        /// The path, relative to the project.
        path: String,
    },
    /// A file of a source breaks its own format.
    #[error("`{path}` {reason}")]
    Malformed {
        /// The file, relative to the project.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One file that is no image.
    #[error("`{path}` cannot be used ({damage}): give PNG or JPEG images")]
    NoImage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
    /// Images that cannot be read, where none is allowed.
    #[error(
        "{count} of {total} images cannot be read: {examples}; repair or remove them, or set \
         `source.broken: skip`"
    )]
    Broken {
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
        /// The first ones with their reasons.
        examples: String,
    },
    /// A folder inside a class folder.
    #[error(
        "class `{class}` has a folder `{folder}` inside: a class is one folder of images, so move its \
         images up or name the folder above as the source"
    )]
    NestedClass {
        /// The class.
        class: String,
        /// The folder in it.
        folder: String,
    },
    /// An image outside all classes.
    #[error("image `{name}` lies in no class: put it into a folder named after its class")]
    NoClass {
        /// The image.
        name: String,
    },
    /// A folder inside a class folder of an archive.
    #[error(
        "`{archive}` has a folder `{folder}` where images should be: set `source.root: {root}` if its classes \
         lie there"
    )]
    DeeperClass {
        /// The archive.
        archive: String,
        /// The folder in it.
        folder: String,
        /// The folder around it.
        root: String,
    },
    /// An archive without a file below its root.
    #[error("`{archive}` has no file below `{root}`; it holds {folders}")]
    NothingInArchive {
        /// The archive.
        archive: String,
        /// The root that was asked for.
        root: String,
        /// What stands at its top.
        folders: String,
    },
    /// An archive that must not be used.
    #[error("the archive cannot be used")]
    Archive(#[from] ArchiveError),
    /// An archive from the network whose digest nobody gave.
    #[error(
        "`{url}` is only read under a digest; if you trust it, add `sha256: {sha256}` to `source`"
    )]
    NoDigest {
        /// Its address.
        url: String,
        /// What it has.
        sha256: String,
    },
    /// An archive with another digest than the one given.
    #[error(
        "`{name}` has the SHA-256 {found}, and {wanted} was given: it is not what the study was made with"
    )]
    OtherDigest {
        /// Its path or address.
        name: String,
        /// The one given.
        wanted: String,
        /// What it has.
        found: String,
    },
    /// A prefix of a bucket whose listing nobody pinned.
    #[error(
        "`{url}` ({objects}, {bytes}) is only read under the digest of its listing; if you trust it, add \
         `listing: {listing}` to `source`"
    )]
    NoListing {
        /// Its address.
        url: String,
        /// What its listing has.
        listing: String,
        /// How many it lists, for people.
        objects: String,
        /// Of how many bytes, for people.
        bytes: String,
    },
    /// A prefix of a bucket with another listing than the one pinned.
    #[error(
        "`{url}` holds other objects than the study was made with: its listing has the digest {found}, and \
         {wanted} was given"
    )]
    OtherListing {
        /// Its address.
        url: String,
        /// The one given.
        wanted: String,
        /// What it has.
        found: String,
    },
    /// Nothing lies there.
    #[error("there is nothing at `{url}`")]
    NoObject {
        /// Its address.
        url: String,
    },
    /// A bucket failed.
    #[error("cannot read `{url}`")]
    Bucket {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: S3Error,
    },
    /// This program was built without S3.
    #[error("`{url}`: this phytotron was built without the feature `s3`")]
    WithoutS3 {
        /// Its address.
        url: String,
    },
    /// A file could not be fetched.
    #[error("cannot fetch `{url}`")]
    Web {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: WebError,
    },
    /// A class without images.
    #[error("class `{class}` has no image: remove it, or add images")]
    EmptyClass {
        /// The class.
        class: String,
    },
    /// Fewer than two classes, or too many to number.
    #[error("the number of classes is {count} and must be 2 to 65,535")]
    Classes {
        /// How many.
        count: usize,
    },
    /// A class would have no image in a part.
    #[error(
        "class `{class}` would have no {part} image, for it has {held}: give it more images, or change \
         `split`"
    )]
    TooSmall {
        /// The class.
        class: String,
        /// `training`, `validation` or `test`.
        part: &'static str,
        /// All that the class has: `6 images`, `6 images in 2 groups`.
        held: String,
    },
    /// `test: given` where nothing is given.
    #[error("the source has no test part of its own: give `split.test` as a share or a number")]
    NoTestPart,
    /// More test images wanted than the source's own test part has.
    #[error("`split.test` asks for {wanted} images and the source's test part has {given}")]
    TestPartTooSmall {
        /// Asked for.
        wanted: usize,
        /// There.
        given: usize,
    },
    /// Images of different sizes, and no size that they shall have.
    #[error("`{name}` is {found}, `{first}` is {wanted}: set `resize` to give all images one size")]
    Sizes {
        /// An image.
        name: String,
        /// Its shape.
        found: String,
        /// The image that came first.
        first: String,
        /// Its shape.
        wanted: String,
    },
    /// The groups table does not fit the images.
    #[error("the groups table `{path}` {reason}")]
    Groups {
        /// The table, relative to the project.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than any study of this kind needs.
    #[error("{what} would take more than {limit}: ask for fewer or smaller images")]
    TooLarge {
        /// What.
        what: String,
        /// The limit, for people.
        limit: String,
    },
    /// Whoever waits asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl DatasetError {
    /// Says that `file` of an artifact breaks the format.
    pub(crate) fn artifact(file: &'static str, reason: impl Into<String>) -> Self {
        Self::Artifact { file, reason: reason.into() }
    }

    /// Says that the project's file at `path` breaks its format.
    pub(crate) fn malformed(path: &str, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }

    /// A reader's failure at `path`.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { action: "cannot read", path: path.into(), source }
    }

    /// A writer's failure at `path`.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { action: "cannot write", path: path.into(), source }
    }
}
