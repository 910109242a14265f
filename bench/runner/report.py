"""The verdict on the terminal, and results.json, report.md and the plots in a directory."""
import json
import os

from . import plots

METRICS = {"cpu_us_per_op": "client CPU per operation", "ops_per_s": "operations/s", "p50": "median latency",
           "allocations_per_op": "allocations of ours per operation", "anonymous_mb": "anonymous memory, MiB"}


def verdict(results):
    """(group, text, found, wanted, good) of every check; good is None where it could not be told."""
    for result in results:
        for check in result.group.checks:
            what = METRICS[check.metric] + (f" / {check.other}" if check.other else "")
            what += f", both less {check.floor}" if check.floor else ""
            what += f", {result.label(check.row)}" if check.row else ""
            wanted = ("at least" if check.at_least else "at most") + f" {check.bound:g}"
            judged = result.judge(check)
            if judged is None:
                yield result.group.name, what, None, wanted, None
            else:
                yield result.group.name, what, judged[0], wanted, judged[1]


def print_verdict(results):
    """Prints every check; True if none is broken."""
    good = True
    print()
    for group, what, found, wanted, fine in verdict(results):
        text = "not measured" if found is None else f"{found['median']:.3f} ({found['min']:.3f} to {found['max']:.3f})"
        word = {True: "ok", False: "NOT REACHED", None: "-"}[fine]
        print(f"{group:17} {what:58} {text:26} {wanted:14} {word}")
        good = good and fine is not False
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


def group_rows(result):
    ours = result.group.clients[0]
    for client in result.clients():
        for row in range(result.row_count(client)):
            label = result.rows(client, row)[0]["label"]
            latency = result.rows(client, row)
            tail = [found["latency_us"]["p99"] for found in latency if found["latency_us"]["p99"] is not None]
            ratio = "1" if client == ours else ""
            if client != ours and ours in result.reports:
                ratio = ratio_text(result.ratio(client, "cpu_us_per_op", row))
            yield [client, label, number(median_of(result, client, "ops_per_s", row)),
                   number(median_of(result, client, "payload_mb_per_s", row)),
                   number(median_of(result, client, "cpu_us_per_op", row)), ratio,
                   number(median_of(result, client, "p50", row)), number(sorted(tail)[len(tail) // 2] if tail else None),
                   number(median_of(result, client, "peak_rss_kb", row) / 1024),
                   number(median_of(result, client, "allocations_per_op", row))]


HEAD = ["client", "", "op/s", "payload MB/s", "CPU us/op", "vecmux's CPU / its", "p50 us", "p99 us", "peak MB", "allocs/op"]


def group_section(result):
    text = f"## {result.group.name}\n\n{result.group.title}.\n\n" + table(HEAD, group_rows(result))
    costs = ", ".join(f"{client} {sum(us) / len(us):.1f}" for client, us in result.server_us.items())
    text += f"\nThe server's own CPU, us per operation: {costs}. It said: `{result.server_said}`\n"
    for client, reason in result.missing.items():
        text += f"\nSKIP {client}: {reason}\n"
    return text


def verdict_section(results):
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [[group, what, ratio_text(found) or "", wanted, words[good]]
            for group, what, found, wanted, good in verdict(results)]
    return "## What is wanted\n\n" + table(["group", "median of the rounds", "found", "wanted", "reached"], rows)


def about_section(about, results):
    versions = {}
    for result in results:
        for client, reports in result.reports.items():
            versions.setdefault(client, reports[0]["versions"])
    lines = [f"- {about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, load {about['load_before']:.1f} when it began",
             f"- vecmux {about['commit']}, {about['compiler']}, Release",
             f"- server on core {about['server_core']}, client on core {about['client_core']}; {about['rounds']} rounds of "
             f"{about['seconds']:g} s after {about['warm_up_s']:g} s of warm-up, all clients in turn in each round"]
    lines += [f"- {client}: {version}" for client, version in versions.items()]
    return "\n".join(lines) + "\n"


def write_json(path, about, results):
    groups = []
    for result in results:
        clients = {}
        for client, reports in result.reports.items():
            rounds = [[{key: value for key, value in row.items() if key != "histogram"} for row in report["rows"]]
                      for report in reports]
            clients[client] = {"versions": reports[0]["versions"], "settings": reports[0]["settings"], "rounds": rounds,
                               "memory_of_first_round": reports[0]["memory"]}
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
    text += verdict_section(results) + "\n"
    text += "\n".join(f"![{title}]({name}.svg)\n" for name, title in pictures) + "\n"
    text += "\n".join(group_section(result) for result in results)
    with open(os.path.join(where, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
