//! The tables of a store, copied to an object store, where all machines of a cluster can read them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use datafusion::datasource::listing::ListingTableUrl;
use futures::StreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, parse_url_opts};

use crate::align;
use crate::catalog;
use crate::error::EngineError;

/// How much is read, and sent, at a time. No store takes smaller parts but the last.
const PART: usize = 8 << 20;
/// How many parts may be on their way.
const UNDERWAY: usize = 2;

/// A place in an object store: `s3://BUCKET/PREFIX`. The machines of the cluster must have what is needed to read there, by themselves: no
/// credentials are sent to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// Without a slash at its end.
    url: String,
    options: Vec<(String, String)>,
}

impl Objects {
    /// The place below `url`. `options` say how to get there, as environment variables do for others: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; those of other names are passed over.
    pub fn at(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), options: options.into_iter().collect() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Copies the tables of the store in `folder`. What an earlier copy left is written over; what is no such thing would be read with the
    /// tables, and is refused.
    pub(super) async fn take(&self, folder: &Path) -> Result<(), EngineError> {
        let (store, root) = self.open()?;
        let files = parts(folder, &root)?;
        let mut there = store.list(Some(&root));
        while let Some(object) = there.next().await {
            let object = object.map_err(self.failed("look into"))?;
            if !files.contains_key(&object.location) {
                return Err(EngineError::Occupied(format!("{} ({})", self.url, object.location)));
            }
        }
        for (key, file) in &files {
            self.put(store.as_ref(), key, file).await?;
        }
        Ok(())
    }

    fn open(&self) -> Result<(Box<dyn ObjectStore>, Key), EngineError> {
        let place = ListingTableUrl::parse(&self.url)
            .map_err(|error| self.failed("open the object store")(error.strip_backtrace()))?;
        parse_url_opts(place.as_ref(), self.options.clone()).map_err(self.failed("open the object store"))
    }

    async fn put(&self, store: &dyn ObjectStore, key: &Key, file: &Path) -> Result<(), EngineError> {
        let mut from = File::open(file).map_err(EngineError::file("read", file))?;
        let upload = store.put_multipart(key).await.map_err(self.failed("write to"))?;
        let mut to = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut part = vec![0; PART];
        loop {
            let read = from.read(&mut part).map_err(EngineError::file("read", file))?;
            let Some(part) = part.get(..read).filter(|part| !part.is_empty()) else { break };
            to.wait_for_capacity(UNDERWAY).await.map_err(self.failed("write to"))?;
            to.write(part);
        }
        to.finish().await.map(drop).map_err(self.failed("write to"))
    }

    fn failed<E: ToString>(&self, what: &'static str) -> impl FnOnce(E) -> EngineError {
        let place = self.url.clone();
        move |error| EngineError::Objects { what, place, detail: error.to_string() }
    }
}

/// All files of the store's tables, by what they are called below `root`.
fn parts(folder: &Path, root: &Key) -> Result<BTreeMap<Key, PathBuf>, EngineError> {
    let mut parts = BTreeMap::new();
    let mut add = |folder: &Path, root: &Key, table: &str| {
        let folder = folder.join(table);
        for entry in fs::read_dir(&folder).map_err(EngineError::file("read", &folder))? {
            let file = entry.map_err(EngineError::file("read", &folder))?.path();
            let name = file.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|name| name.ends_with(".parquet")) {
                parts.insert(root.clone().join(table).join(name), file.clone());
            }
        }
        Ok(())
    };
    catalog::WRITTEN.iter().try_for_each(|table| add(folder, root, table))?;
    let (folder, root) = (folder.join(align::FOLDER), root.clone().join(align::FOLDER));
    catalog::ALIGNED.iter().try_for_each(|table| add(&folder, &root, table))?;
    Ok(parts)
}
