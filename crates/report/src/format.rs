//! The formats of report files.

use clap::ValueEnum;

/// A format of report files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Format {
    /// The whole record; every other format can be rendered from it.
    Json,
    /// JUnit XML, which GitHub actions, GitLab and Jenkins read.
    Junit,
    /// GitHub Markdown, for `GITHUB_STEP_SUMMARY`.
    Markdown,
    /// One self-contained page for people.
    Html,
    /// SARIF 2.1.0: what did not pass, for code scanning.
    Sarif,
    /// Common Test Report Format.
    Ctrf,
    /// Metrics for the textfile collector of Prometheus' node exporter.
    Prometheus,
    /// The same metrics as OpenMetrics.
    Openmetrics,
    /// OSCAL Assessment Results.
    OscalResults,
    /// The OSCAL Assessment Plan that the results import.
    OscalPlan,
    /// An OSCAL Component Definition of the enforcing layers.
    OscalComponents,
    /// PolicyReport objects (wgpolicyk8s.io/v1alpha2) for kubectl apply.
    PolicyReport,
    /// Report objects of OpenReports (openreports.io/v1alpha1) for kubectl apply.
    Openreports,
    /// A conformance report in the form of Gateway API's.
    Conformance,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Html,
        Self::Sarif,
        Self::Ctrf,
        Self::Prometheus,
        Self::Openmetrics,
        Self::OscalResults,
        Self::OscalPlan,
        Self::OscalComponents,
        Self::PolicyReport,
        Self::Openreports,
        Self::Conformance,
    ];

    /// The formats that a run writes unless others are asked for.
    pub const USUAL: [Self; 4] = [Self::Json, Self::Junit, Self::Markdown, Self::Html];

    /// The name of its file in the report folder.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "run.json",
            Self::Junit => "junit.xml",
            Self::Markdown => "summary.md",
            Self::Html => "report.html",
            Self::Sarif => "airtight.sarif",
            Self::Ctrf => "ctrf-report.json",
            Self::Prometheus => "airtight.prom",
            Self::Openmetrics => "airtight.openmetrics",
            Self::OscalResults => "oscal-assessment-results.json",
            Self::OscalPlan => "oscal-assessment-plan.json",
            Self::OscalComponents => "oscal-component-definition.json",
            Self::PolicyReport => "policyreport.yaml",
            Self::Openreports => "openreports.yaml",
            Self::Conformance => "conformance.yaml",
        }
    }
}
