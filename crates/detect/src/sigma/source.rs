//! From a rule's log source to the kinds of events that it can match.

use event::Fact;
use rsigma_parser::LogSource;

/// Sigma's categories, and what they are here. A category may also be the name of a kind, such as `net.flow`.
pub(super) const CATEGORIES: &[(&str, &[&str])] = &[
    ("process_creation", &["process.exec"]),
    ("network_connection", &["net.connect", "net.refused"]),
    ("firewall", &["net.connect", "net.refused"]),
    ("dns", &["dns.query"]),
    ("dns_query", &["dns.query"]),
    ("file_event", &["file.planted", "workspace.planted"]),
    ("file_change", &["file.planted", "workspace.planted"]),
    ("file_access", &["decoy.read"]),
];

/// The kinds that a log source names; why there are none, otherwise.
pub(super) fn kinds(source: &LogSource) -> Result<Vec<&'static str>, String> {
    let product = source.product.as_deref().unwrap_or("aurelian");
    if !matches!(product, "linux" | "aurelian") {
        return Err(format!("its product is `{product}`, and events are of `linux` or `aurelian`"));
    }
    if let Some(service) = &source.service {
        return Err(format!("its service is `{service}`, and events have none"));
    }
    let Some(category) = source.category.as_deref() else {
        // What findings say must not be found again.
        return Ok(Fact::KINDS.iter().copied().filter(|kind| *kind != "finding").collect());
    };
    let known = CATEGORIES.iter().find(|(name, _)| *name == category).map(|(_, kinds)| kinds.to_vec());
    let kind = || Fact::KINDS.iter().find(|kind| **kind == category).map(|kind| vec![*kind]);
    known.or_else(kind).ok_or_else(|| format!("its category `{category}` is none that is seen here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(category: Option<&str>, product: Option<&str>) -> LogSource {
        let text = |text: Option<&str>| text.map(str::to_owned);
        LogSource { category: text(category), product: text(product), ..LogSource::default() }
    }

    #[test]
    fn categories_are_those_of_sigma_or_kinds() {
        let kinds_of = |category, product| kinds(&source(category, product));
        assert_eq!(kinds_of(Some("process_creation"), Some("linux")).unwrap(), ["process.exec"]);
        assert_eq!(kinds_of(Some("analysis.scan"), Some("aurelian")).unwrap(), ["analysis.scan"]);
        assert_eq!(kinds_of(None, None).unwrap().len(), Fact::KINDS.len() - 1);
        assert!(kinds_of(Some("process_creation"), Some("windows")).unwrap_err().contains("windows"));
        assert!(kinds_of(Some("registry_set"), Some("linux")).unwrap_err().contains("registry_set"));
    }

    #[test]
    fn every_category_names_kinds_that_exist() {
        for (category, kinds) in CATEGORIES {
            assert!(kinds.iter().all(|kind| Fact::KINDS.contains(kind)), "{category}");
        }
    }
}
