//! What analyzers find: each finding's name, what it means and what to do.
//!
//! Technique ids are those of MITRE ATT&CK, MITRE ATLAS and the OWASP Top 10 for Agentic Applications (2026).

use event::fact::Severity;

/// A finding of an analyzer.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which policies use.
    pub id: &'static str,
    /// The same in a few words.
    pub title: &'static str,
    /// How bad it is when it succeeds; what was refused is at most medium.
    pub severity: Severity,
    /// What to do.
    pub remedy: &'static str,
    /// OWASP Agentic Security Initiative.
    pub asi: &'static [&'static str],
    /// ATT&CK.
    pub attack: &'static [&'static str],
    /// ATLAS.
    pub atlas: &'static [&'static str],
}

macro_rules! catalogue {
    ($($name:ident $id:literal $severity:ident $title:literal $remedy:literal
       [$($asi:literal)*] [$($attack:literal)*] [$($atlas:literal)*];)*) => {
        $(#[doc = $title]
        pub static $name: Entry = Entry {
            id: $id,
            title: $title,
            severity: Severity::$severity,
            remedy: $remedy,
            asi: &[$($asi),*],
            attack: &[$($attack),*],
            atlas: &[$($atlas),*],
        };)*

        /// All there are.
        pub static ALL: &[&Entry] = &[$(&$name),*];
    };
}

catalogue! {
    MINING_STRATUM "mining.stratum" Critical "Mining for a pool"
        "keep the run stopped; look at the program that the call executed, and at whose account it mines for"
        ["ASI10"] ["T1496"] ["AML.T0034.002"];
    MINING_POOL_NAME "mining.pool-name" High "Asking for a mining pool"
        "look at what the call was about to connect with; the name is on a list of public pools"
        ["ASI10"] ["T1496"] ["AML.T0034.002"];
    MINING_SUSPECTED "mining.suspected" High "Work that looks like mining"
        "look at the busy process: several weak signs came together; thaw the run if its task explains them"
        ["ASI10"] ["T1496"] ["AML.T0034.002"];
    TUNNEL_REVERSE_SSH "tunnel.reverse-ssh" High "Somebody outside acts through SSH"
        "cut the flow; find out who holds the far side, and what came in through it"
        ["ASI10"] ["T1572" "T1021.004"] ["AML.T0072"];
    TUNNEL_REMOTE_CONTROL "tunnel.remote-control" High "Somebody outside acts through an allowed flow"
        "cut the flow; look at what the call executed after each message from outside"
        ["ASI10"] ["T1572" "T1071"] ["AML.T0072"];
    TUNNEL_NESTED "tunnel.nested" High "A session inside a session"
        "cut the flow; what is spoken inside was hidden from the policy"
        ["ASI10"] ["T1572"] ["AML.T0072"];
    TUNNEL_SOCKS "tunnel.socks" High "The far side uses the run as a proxy"
        "cut the flow; look at what was asked for through it"
        ["ASI10"] ["T1090"] ["AML.T0072"];
    SHELL_REVERSE "shell.reverse" Critical "A shell whose input comes from outside"
        "keep the run stopped; whoever holds the other end could type commands"
        ["ASI10" "ASI05"] ["T1059" "T1571"] ["AML.T0072"];
    SCAN_HOSTS "scan.hosts" High "Looking for hosts"
        "ask why the task needs it; internal addresses that are not in the policy are nobody's business here"
        ["ASI10"] ["T1046" "T1018"] [];
    SCAN_PORTS "scan.ports" High "Looking for open ports"
        "ask why the task needs it"
        ["ASI10"] ["T1046"] [];
    SCAN_SLOW "scan.slow" High "Looking for hosts, slowly"
        "look at what is behind it: nobody waits between attempts without a reason"
        ["ASI10"] ["T1046" "T1018"] [];
    SCAN_METADATA "scan.metadata" High "Looking for a cloud's metadata service"
        "look at what the call did besides; credentials of the machine are there"
        ["ASI03"] ["T1552.005" "T1046"] [];
    THEFT_METADATA "theft.metadata-service" High "Asking a cloud's metadata service"
        "if the policy allows it, the machine's credentials may be gone: rotate them"
        ["ASI03"] ["T1552.005"] [];
    THEFT_DECOY_READ "theft.decoy-read" Low "Reading credentials that it was not given"
        "look at what the call was looking for: the file was a decoy"
        ["ASI03"] ["T1552.001"] [];
    THEFT_DECOY_SENT "theft.decoy-sent" Critical "Sending credentials away"
        "keep the run stopped: what it took was a decoy, the next may not be"
        ["ASI03" "ASI10"] ["T1552.001" "T1048"] ["AML.T0086"];
    ESCAPE_NAMESPACES "escape.namespaces" Low "Trying to make or enter a namespace"
        "nothing, if a test or a build tool does so; look at the call otherwise"
        ["ASI05"] ["T1611"] ["AML.T0105"];
    ESCAPE_MOUNTS "escape.mounts" Low "Trying to change mounts"
        "look at the call if its task does not explain it"
        ["ASI05"] ["T1611"] ["AML.T0105"];
    ESCAPE_KERNEL "escape.kernel" Low "Trying interfaces of the kernel that exploits use"
        "look at the call if its task does not explain it"
        ["ASI05"] ["T1611" "T1068"] ["AML.T0105"];
    ESCAPE_TRACE "escape.trace" Low "Trying to reach into another process"
        "allow `ptrace` in the policy if the task is debugging; look at the call otherwise"
        ["ASI05"] ["T1055"] ["AML.T0105"];
    ESCAPE_SOCKETS "escape.sockets" Low "Trying sockets past the network's rules"
        "look at the call if its task does not explain it"
        ["ASI05"] ["T1095"] [];
    ESCAPE_FILES "escape.files" Low "Trying to reach files past all paths"
        "look at the call if its task does not explain it"
        ["ASI05"] ["T1611"] ["AML.T0105"];
    ESCAPE_MACHINE "escape.machine" Low "Trying to change the machine"
        "look at the call if its task does not explain it"
        ["ASI05"] ["T1611"] ["AML.T0105"];
    ESCAPE_CAMPAIGN "escape.campaign" Medium "Trying one way out after the other"
        "look at the call: programs that need one of these try one; this one tries all"
        ["ASI05" "ASI10"] ["T1611"] ["AML.T0105"];
    TAMPER_FLOOD "tamper.flood" Medium "Making so many events that others could be missed"
        "look at what else happened at that time"
        ["ASI10"] ["T1562.006"] [];
    TAMPER_BLIND "tamper.blind" Medium "Something could not be seen"
        "treat the run as unproven, and look at what the call did before"
        ["ASI10"] ["T1562.006"] [];
    PERSIST_FILE "persist.file" Medium "Leaving something that runs again later"
        "remove the file before anybody logs in or a scheduler reads it"
        ["ASI10" "ASI06"] ["T1546" "T1053"] [];
    PERSIST_WORKSPACE "persist.workspace" Medium "Leaving in the workspace what the host would execute"
        "look at the file before you use git, a shell or an editor there"
        ["ASI10" "ASI04"] ["T1546"] [];
    PERSIST_DAEMON "persist.daemon" Medium "A process that was left behind goes on to connect"
        "look at what the earlier call started, and why it outlived it"
        ["ASI10"] ["T1543"] [];
    EXFIL_DNS "exfil.dns" High "Sending data in names"
        "look at the labels: they are the data"
        ["ASI10"] ["T1048" "T1071.004"] ["AML.T0086"];
    EXFIL_VOLUME "exfil.volume" Medium "Sending more than such a run does"
        "look at where it went, and whether the task needs it"
        ["ASI10"] ["T1048"] ["AML.T0086"];
    RESOURCES_NAME "resources.name" Medium "Looking for money, machines or accounts"
        "ask why the task needs it"
        ["ASI10"] ["T1583" "T1496"] ["AML.T0034.002"];
    ANOMALY_CALL "anomaly.call" Low "A call unlike those of its kind"
        "compare it with the others of its labels"
        ["ASI10"] [] [];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_have_the_form_that_policies_take() {
        let names: BTreeSet<_> = ALL.iter().map(|entry| entry.id).collect();
        assert_eq!(names.len(), ALL.len());
        for entry in ALL {
            assert!(entry.id.split('.').count() == 2 && !entry.id.contains(' '), "{}", entry.id);
            assert!(entry.id.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '-'), "{}", entry.id);
            assert!(!entry.asi.is_empty() && !entry.remedy.is_empty(), "{}", entry.id);
        }
    }
}
