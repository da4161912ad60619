//! The formats, by name and by content.

intake::formats! {
    /// A format of network records.
    pub Format of "flow" {
        /// Suricata, EVE JSON.
        Eve "eve",
        /// Zeek, conn.log and its fellows, tab-separated or JSON.
        Zeek "zeek",
        /// AWS VPC flow logs, versions 2 to 5.
        AwsVpc "aws-vpc",
        /// Azure network security group and virtual network flow logs.
        AzureFlows "azure-flows",
        /// Google Cloud VPC flow logs.
        GcpVpc "gcp-vpc",
        /// Falco, JSON output.
        Falco "falco",
        /// Tetragon, JSON events.
        Tetragon "tetragon",
        /// Firewalls by syslog: iptables and nftables, pf, Cisco ASA, Palo Alto, Fortinet.
        Syslog "syslog",
        /// Resolvers' query logs: BIND, dnsmasq, Unbound.
        DnsLog "dns-log",
        /// GPU samples: CSV of `nvidia-smi` or DCGM, Prometheus text.
        GpuSamples "gpu-samples",
        /// Captures, pcap and pcapng.
        Capture "capture",
        /// The event lines of Aurelian.
        Events "events",
        /// Any CSV with a header, by a column map.
        Csv "csv",
        /// Any lines of JSON objects, by a column map.
        Jsonl "jsonl",
    }
}
