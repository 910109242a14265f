#include "cli.h"
#include "options.h"

#include <stdio.h>

static const char introduction[] =
    "# Statistics\n"
    "\n"
    "What a client counts and shows: `vmx_client_stats` takes a snapshot (`vecmux/stats.h`), which is read as typed "
    "values,\n"
    "as JSON or in the text format of Prometheus; `vecmux` serves it with `--metrics-listen` and `--metrics-file`.\n"
    "docs/metrics.md tells how to use them.\n"
    "\n"
    "Counters begin at 0 when the client is opened and only grow; gauges are as they are now. A series with an "
    "operation\n"
    "exists from the operation's first call on.\n"
    "\n"
    "This page is printed by `vecmux metrics --markdown` from the table in the library.\n";

static const char *
type_name(vmx_metric_type type)
{
    switch (type) {
    case VMX_METRIC_COUNTER:
        return "counter";
    case VMX_METRIC_GAUGE:
        return "gauge";
    case VMX_METRIC_HISTOGRAM:
        return "histogram";
    }
    return "?";
}

static bool
metric_at(size_t i, vmx_metric *metric)
{
    vmx_metric_init(metric, sizeof *metric);
    return vmx_metric_at(i, metric);
}

static void
print_markdown(void)
{
    vmx_metric metric;
    fputs(introduction, stdout);
    for (size_t i = 0; metric_at(i, &metric); i++) {
        printf("\n## %s\n\n%s\n\n- type: %s\n", metric.name, metric.help, type_name(metric.type));
        if (*metric.unit)
            printf("- unit: %s\n", metric.unit);
        for (size_t l = 0; l < metric.label_count; l++)
            printf("%s%s", l == 0 ? "- labels: " : ", ", metric.labels[l]);
        if (metric.label_count > 0)
            putchar('\n');
    }
}

static void
print_names(void)
{
    vmx_metric metric;
    for (size_t i = 0; metric_at(i, &metric); i++)
        printf("%s %s\n", metric.name, type_name(metric.type));
}

static int
run(int argc, char **argv)
{
    bool markdown = false;
    int positional;
    const cli_option options[] = {
        {"markdown", NULL, CLI_FLAG, &markdown, "Prints the manual of all metrics, docs/STATISTICS.md.", 0, 0},
    };
    const cli_usage usage = {
        .command = "metrics",
        .arguments = "",
        .text = "Prints the names and types of the metrics that --metrics-listen and --metrics-file serve.\n"
                "No server is needed.",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    int code = cli_parse(&usage, argc, argv, &positional);
    if (code >= 0)
        return code;
    if (markdown)
        print_markdown();
    else
        print_names();
    return CLI_OK;
}

const cli_command cli_command_metrics = {"metrics", "prints the metrics' names, or their manual", run};
