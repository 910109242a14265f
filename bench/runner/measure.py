"""Runs a group: in each round all clients in turn, the ratios of each round, their median and spread."""
import dataclasses
import statistics
import sys

from . import tools

LIMIT_S = 180
SLOW_ROUNDS = 5  # of clients that take long to start and whose ratios are far from their bounds


@dataclasses.dataclass
class Window:
    """How often and how long is measured."""
    rounds: int
    seconds: float
    warm_up_s: float


@dataclasses.dataclass
class Settings:
    usual: Window
    deciding: Window  # of groups whose ratios are close to their bounds: shorter rounds and more of them
    commands: dict
    programs: str
    certificates: tuple  # (ca, certificate, key)

    def window(self, group):
        window = self.deciding if group.deciding else self.usual
        return Window(group.rounds or window.rounds, window.seconds * group.seconds_factor,
                      window.warm_up_s * group.seconds_factor + group.warm_up_s)


def value_of(row, metric):
    if metric == "anonymous_mb":
        return row["memory"]["peak_anon_kb"] / 1024 if "memory" in row else None
    return row["latency_us"][metric] if metric in row["latency_us"] else row[metric]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


class Result:
    """What the rounds of a group gave: reports[client][round]; slow clients are not in every round."""

    def __init__(self, group, window):
        self.group = group
        self.window = window
        self.reports = {}
        self.missing = {}
        self.server_us = {}
        self.server_said = ""

    def clients(self):
        return [client for client in self.group.clients if client in self.reports]

    def first(self, client):
        return next(iter(self.reports[client].values()))

    def row_count(self, client):
        return len(self.first(client)["rows"])

    def rows(self, client, row):
        return [report["rows"][min(row, len(report["rows"]) - 1)] for report in self.reports[client].values()]

    def label(self, row):
        """Of a row, as the first client that could be measured calls it."""
        return next((self.rows(client, row)[0]["label"] for client in self.clients()), "")

    def values(self, client, metric, row=0):
        """The spread over the client's rounds; None where it does not tell this."""
        values = [value_of(found, metric) for found in self.rows(client, row)]
        return spread(values) if None not in values else None

    def value(self, client, number, metric, row):
        rows = self.reports[client][number]["rows"]
        return value_of(rows[min(row, len(rows) - 1)], metric)

    def ratio(self, other, metric, row=0, floor=None):
        """Ours / other's in each round that has both; with a floor, of what each takes beyond that client."""
        clients = (self.group.clients[0], other) + ((floor,) if floor else ())
        numbers = [n for n in self.reports[other] if all(n in self.reports[client] for client in clients)]
        found = [[self.value(client, n, metric, row) for client in clients] + [0] * (3 - len(clients)) for n in numbers]
        known = found and all(None not in values and values[1] > values[2] for values in found)
        return spread([(a - c) / (b - c) for a, b, c in found]) if known else None

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


def order(clients, number):
    """Of a round: everybody begins once, and every other round goes backwards, so that nobody always follows the same
    client, and two that are compared stay neighbours."""
    first = number // 2 % len(clients)
    turned = clients[first:] + clients[:first]
    return turned[::-1] if number % 2 else turned


def slow_rounds(rounds):
    """Which rounds the slow clients are in: SLOW_ROUNDS of them, spread over all."""
    count = min(rounds, SLOW_ROUNDS)
    return {i * (rounds - 1) // max(1, count - 1) for i in range(count)}


def command_of(group, client, settings, sink):
    window = settings.window(group)
    options = ["--endpoint", sink.endpoint, "--json", "--seconds", str(window.seconds), "--warm-up", str(window.warm_up_s),
               *group.arguments]
    if group.tls:
        options += ["--tls-ca", settings.certificates[0]]
    return [*settings.commands[client], group.scenario, *options]


def run_one(result, client, number, settings, sink):
    before = sink.ticks()
    try:
        report = tools.run_client(command_of(result.group, client, settings, sink), LIMIT_S)
    except (tools.Missing, OSError) as error:
        result.missing[client] = f"round {number + 1}: {error}"
        result.reports.pop(client, None)
        print(f"    {client}: SKIP, {error}", flush=True)
        return
    done = sum(row["operations"] for row in report["rows"])
    window = settings.window(result.group)
    share = window.seconds / (window.seconds + window.warm_up_s)
    result.server_us.setdefault(client, []).append((sink.ticks() - before) * 1e4 * share / max(1, done))
    result.reports.setdefault(client, {})[number] = report


def run_rounds(result, settings, sink, slow):
    group = result.group
    rounds = settings.window(group).rounds
    for number in range(rounds):
        for client in order(group.clients, number):
            if client not in result.missing and (client not in slow or number in slow_rounds(rounds)):
                run_one(result, client, number, settings, sink)
        if sys.stdout.isatty():
            print(f"    round {number + 1} of {rounds}", end="\r", flush=True)


def run(group, settings, slow):
    """Measures a group; clients in `slow` are not in every round."""
    result = Result(group, settings.window(group))
    result.missing = {client: str(settings.commands[client]) for client in group.clients
                      if isinstance(settings.commands[client], tools.Missing)}
    for client, reason in result.missing.items():
        print(f"    {client}: SKIP, {reason}", flush=True)
    print(f"{group.name}: {group.title}", flush=True)
    arguments = [*(["--discard"] if group.discards else []), *group.sink]
    with tools.Sink(settings.programs, arguments, settings.certificates[1:] if group.tls else None) as sink:
        run_rounds(result, settings, sink, slow)
        result.server_said = sink.stop()
    for client in result.clients():
        cpu, rate = result.values(client, "cpu_us_per_op"), result.values(client, "ops_per_s")
        print(f"    {client:20} {rate['median']:9.0f} op/s {cpu['median']:9.2f} us CPU per op", flush=True)
    return result
