"""Runs a group: the clients in turn (A B C A B C ...), the ratios of each round, their median and spread."""
import dataclasses
import statistics
import sys

from . import tools

LIMIT_S = 180


@dataclasses.dataclass
class Settings:
    rounds: int
    seconds: float
    warm_up_s: float
    commands: dict
    programs: str
    certificates: tuple  # (ca, certificate, key)


def value_of(row, metric):
    if metric == "anonymous_mb":
        return row["memory"]["peak_anon_kb"] / 1024 if "memory" in row else None
    return row["latency_us"]["p50"] if metric == "p50" else row[metric]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


class Result:
    """What the rounds of a group gave: reports[client][round]."""

    def __init__(self, group):
        self.group = group
        self.reports = {}
        self.missing = {}
        self.server_us = {}
        self.server_said = ""

    def clients(self):
        return [client for client in self.group.clients if client in self.reports]

    def row_count(self, client):
        return len(self.reports[client][0]["rows"])

    def rows(self, client, row):
        return [report["rows"][min(row, len(report["rows"]) - 1)] for report in self.reports[client]]

    def label(self, row):
        """Of a row, as the first client that could be measured calls it."""
        return next((self.rows(client, row)[0]["label"] for client in self.clients()), "")

    def values(self, client, metric, row=0):
        values = [value_of(found, metric) for found in self.rows(client, row)]
        return spread(values) if None not in values else None

    def ratio(self, other, metric, row=0, floor=None):
        """Ours / other's in each round; with a floor, of what each takes beyond that client."""
        rounds = [[value_of(found, metric) for found in self.rows(client, row)] for client in (self.group.clients[0], other)]
        below = [value_of(found, metric) for found in self.rows(floor, row)] if floor else [0] * len(rounds[0])
        values = list(zip(*rounds, below))
        known = all(None not in found and found[1] > found[2] for found in values)
        return spread([(a - c) / (b - c) for a, b, c in values]) if known else None

    def judge(self, check):
        """(spread, good) or None where it cannot be told."""
        ours = self.group.clients[0]
        if any(client not in self.reports for client in (ours, check.other, check.floor) if client):
            return None
        found = (self.ratio(check.other, check.metric, check.row, check.floor) if check.other
                 else self.values(ours, check.metric, check.row))
        if not found:
            return None
        if check.other is None:
            return found, round(found["median"], 1) <= check.bound
        good = found["median"] >= check.bound if check.at_least else found["median"] <= check.bound
        return found, good


def command_of(group, client, settings, sink):
    options = ["--endpoint", sink.endpoint, "--json", "--seconds", str(settings.seconds * group.seconds_factor),
               "--warm-up", str(settings.warm_up_s + group.warm_up_s), *group.arguments]
    if group.tls:
        options += ["--tls-ca", settings.certificates[0]]
    return [*settings.commands[client], group.scenario, *options]


def run_one(result, client, settings, sink):
    before = sink.ticks()
    try:
        report = tools.run_client(command_of(result.group, client, settings, sink), LIMIT_S)
    except (tools.Missing, OSError) as error:
        result.missing[client] = str(error)
        result.reports.pop(client, None)
        print(f"    {client}: SKIP, {error}", flush=True)
        return
    done = sum(row["operations"] for row in report["rows"])
    share = settings.seconds / (settings.seconds + settings.warm_up_s + result.group.warm_up_s)
    result.server_us.setdefault(client, []).append((sink.ticks() - before) * 1e4 * share / max(1, done))
    result.reports.setdefault(client, []).append(report)


def run(group, settings):
    result = Result(group)
    result.missing = {client: str(settings.commands[client]) for client in group.clients
                      if isinstance(settings.commands[client], tools.Missing)}
    for client, reason in result.missing.items():
        print(f"    {client}: SKIP, {reason}", flush=True)
    rounds = group.rounds or settings.rounds
    print(f"{group.name}: {group.title}", flush=True)
    arguments = [*(["--discard"] if group.discards else []), *group.sink]
    with tools.Sink(settings.programs, arguments, settings.certificates[1:] if group.tls else None) as sink:
        for number in range(rounds):
            for client in group.clients:
                if client not in result.missing:
                    run_one(result, client, settings, sink)
            if sys.stdout.isatty():
                print(f"    round {number + 1} of {rounds}", end="\r", flush=True)
        result.server_said = sink.stop()
    for client in result.clients():
        cpu, rate = result.values(client, "cpu_us_per_op"), result.values(client, "ops_per_s")
        print(f"    {client:20} {rate['median']:9.0f} op/s {cpu['median']:9.2f} us CPU per op", flush=True)
    return result
