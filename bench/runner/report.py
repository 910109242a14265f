"""The verdict on the terminal, and results.json, report.md and the plots in a directory."""
import json
import os
import statistics

from . import plots

METRICS = {"cpu_us_per_op": "client CPU per operation", "ops_per_s": "operations/s", "p50": "median latency",
           "allocations_per_op": "allocations of ours per operation", "anonymous_mb": "anonymous memory, MiB"}


def verdict(results):
    """(group, text, found, wanted, good) of every check; good is None where it could not be told."""
    for result in results:
        rows = max((result.row_count(client) for client in result.clients()), default=0)
        for check in result.group.checks:
            what = METRICS[check.metric] + (f" / {check.other}" if check.other else "")
            what += f", both less {check.floor}" if check.floor else ""
            what += f", {result.label(check.row)}" if rows > 1 else ""
            wanted = ("at least" if check.at_least else "at most") + f" {check.bound:g}"
            judged = result.judge(check)
            if judged is None:
                yield result.group.name, what, None, wanted, None
            else:
                yield result.group.name, what, judged[0], wanted, judged[1]


def is_good(result):
    """All checks of the group were told and none is broken."""
    return all(good is True for *_, good in verdict([result]))


def print_verdict(results):
    """Prints every check; True if all were told and none is broken."""
    good = True
    print()
    for group, what, found, wanted, fine in verdict(results):
        text = "not measured" if found is None else f"{found['median']:.3f} ({found['min']:.3f} to {found['max']:.3f})"
        word = {True: "ok", False: "NOT REACHED", None: "NOT MEASURED"}[fine]
        print(f"{group:17} {what:58} {text:26} {wanted:14} {word}")
        good = good and fine is True
    return good


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def ratio_text(found):
    return f"{found['median']:.2f} ({found['min']:.2f}–{found['max']:.2f})" if found else ""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def median_of(result, client, metric, row):
    found = result.values(client, metric, row)
    return found["median"] if found else None


def scaled(metric, factor=1.0):
    """A column's text: the median of a metric, times a factor."""
    def text(result, client, row):
        found = median_of(result, client, metric, row)
        return "" if found is None else number(found * factor)
    return text


def ratio_column(result, client, row):
    ours = result.group.clients[0]
    if client == ours:
        return "1"
    return ratio_text(result.ratio(client, "cpu_us_per_op", row)) if ours in result.reports else ""


def label_column(result, client, row):
    return result.rows(client, row)[0]["label"]


def errors_column(result, client, row):
    errors = sum(found["errors"] for found in result.rows(client, row))
    return str(errors) if errors else ""


COLUMNS = [("client", lambda result, client, row: client), ("", label_column), ("op/s", scaled("ops_per_s")),
           ("payload MB/s", scaled("payload_mb_per_s")), ("CPU us/op", scaled("cpu_us_per_op")), ("vecmux's CPU / its", ratio_column),
           ("p50 us", scaled("p50")), ("p99 us", scaled("p99")), ("peak MB", scaled("peak_rss_kb", 1 / 1024)),
           ("KB/call in flight", scaled("rss_bytes_per_call", 1 / 1024)), ("wire bytes/op", scaled("wire_bytes_per_op")),
           ("allocs/op", scaled("allocations_per_op")), ("errors", errors_column)]


def clients_table(result):
    """A row for each client and level; columns that nobody fills are left out."""
    rows = [[text(result, client, row) for _, text in COLUMNS]
            for client in result.clients() for row in range(result.row_count(client))]
    filled = [i for i in range(len(COLUMNS)) if i < 2 or any(row[i] for row in rows)]
    return table([COLUMNS[i][0] for i in filled], [[row[i] for i in filled] for row in rows])


def whole_table(result):
    """Seconds that the whole job takes, a row for each level, and what of them is CPU."""
    def seconds(client, row, metric, factor):
        found = result.values(client, metric, row)["median"]
        return result.group.whole_operations * (factor / found if metric == "ops_per_s" else factor * found)

    rows = [[f"{result.rows(result.clients()[0], row)[0]['in_flight']} in flight"] + [f"{seconds(client, row, 'ops_per_s', 1):.3f} ({seconds(client, row, 'cpu_us_per_op', 1e-6):.3f})"
                                   for client in result.clients()]
            for row in range(max((result.row_count(client) for client in result.clients()), default=0))]
    return "Seconds for the whole, in brackets those of CPU:\n\n" + table(["", *result.clients()], rows) + "\n"


def group_section(result):
    text = f"## {result.group.name}\n\n{result.group.title}; {rounds_text(vars(result.window))}.\n\n"
    if result.group.whole_operations:
        text += whole_table(result)
    text += clients_table(result)
    costs = ", ".join(f"{client} {statistics.median(us):.1f}" for client, us in result.server_us.items())
    text += f"\nThe server's own CPU, us per operation: {costs}."
    text += f" It said: `{result.server_said}`\n" if result.group.discards else "\n"
    for client, reason in result.missing.items():
        text += f"\nSKIP {client}: {reason}\n"
    return text


def verdict_section(results):
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [[group, what, ratio_text(found) or "", wanted, words[good]]
            for group, what, found, wanted, good in verdict(results)]
    return "## What is wanted\n\n" + table(["group", "median of the rounds", "found", "wanted", "reached"], rows)


def rounds_text(window):
    return f"{window['rounds']} rounds of {window['seconds']:.3g} s after {window['warm_up_s']:.3g} s of warm-up"


def about_section(about, results):
    versions = {}
    for result in results:
        for client, reports in result.reports.items():
            versions.setdefault(client, next(iter(reports.values()))["versions"])
    lines = [f"- {about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, load {about['load_before']:.1f} when it began",
             f"- vecmux {about['commit']}, {about['compiler']}, Release{', trained (bench/train)' if about['trained'] else ''}",
             f"- server on core {about['server_core']}, client on core {about['client_core']}; all clients in turn in each round, in an "
             f"order that changes",
             f"- server: {about['server']}"]
    lines += [f"- {client}: {version}" for client, version in versions.items()]
    return "\n".join(lines) + "\n"


def write_json(path, about, results):
    groups = []
    for result in results:
        clients = {}
        for client, reports in result.reports.items():
            rounds = [[{key: value for key, value in row.items() if key != "histogram"} for row in report["rows"]]
                      for report in reports.values()]
            first = result.first(client)
            clients[client] = {"versions": first["versions"], "settings": first["settings"], "rounds": rounds,
                               "round_numbers": [number + 1 for number in reports], "memory_of_first_round": first["memory"]}
        groups.append({"name": result.group.name, "title": result.group.title, "sink": result.group.sink,
                       "tls": result.group.tls, "clients": clients, "missing": result.missing,
                       "server_us_per_op": result.server_us, "server_said": result.server_said})
    checks = [{"group": group, "what": what, "found": found, "wanted": wanted, "reached": good}
              for group, what, found, wanted, good in verdict(results)]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"about": about, "checks": checks, "groups": groups}, file, indent=1)


def write(where, about, results):
    write_json(os.path.join(where, "results.json"), about, results)
    pictures = plots.draw(where, results)
    text = "# vecmux beside other clients\n\n" + about_section(about, results)
    text += "\nOne operation is one call. CPU is that of the client's process. What is behind a number: docs/performance.md.\n\n"
    if any(result.group.checks for result in results):
        text += verdict_section(results) + "\n"
    text += "\n".join(f"![{title}]({name}.svg)\n" for name, title in pictures) + "\n"
    text += "\n".join(group_section(result) for result in results)
    with open(os.path.join(where, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
