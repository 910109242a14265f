"""The plots, by gnuplot, each as SVG and PNG."""
import math
import os
import shutil
import subprocess

COLOURS = {"vecmux driven": "#0b6e99", "vecmux background": "#58a6c7", "raw_core": "#555555", "raw_core_handoff": "#999999",
           "raw_core, checked pieces": "#777777", "raw_core, copies": "#aaaaaa",
           "grpc++": "#c8553d", "python grpcio": "#e0a030", "h2load": "#7a9e48",
           "raw_stream": "#555555", "vecmux's decoder": "#0b6e99", "vecmux, parts walked to": "#c8553d",
           "pinecone 8 (Python)": "#b5838d", "pinecone newest (Rust)": "#6d597a", "go-pinecone": "#3d8f8a"}
OTHER_COLOUR = "#8a5fa8"
NAMES = {"raw_core": "gRPC core, by hand", "raw_core_handoff": "gRPC core, by hand, 2 threads",
         "raw_core, checked pieces": "gRPC core, by hand, lent values", "raw_core, copies": "gRPC core, by hand, copied values",
         "grpc++": "gRPC C++",
         "python grpcio": "Python grpcio", "h2load": "h2load (HTTP/2 alone)",
         "raw_stream": "gRPC core, by hand", "vecmux, parts walked to": "the same, walking to each part (k-NN's way)",
         "pinecone 8 (Python)": "Pinecone 8 (Python)", "pinecone newest (Rust)": "Pinecone newest (Rust)",
         "go-pinecone": "Pinecone (Go)"}
QUANTILES = ("p50", "p90", "p99", "p99.9", "p99.99")
STYLE = """
set style line 100 lc rgb '#dddddd' lw 1
set grid back ls 100
set border 3 lc rgb '#666666'
set tics nomirror textcolor rgb '#333333'
set key textcolor rgb '#222222'
"""


def name_of(client):
    return NAMES.get(client, client)


def colour_of(client):
    return COLOURS.get(client, OTHER_COLOUR)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def render(where, name, script, width=900, height=520):
    """Draws `script` twice; False without gnuplot, or where gnuplot complains."""
    if not shutil.which("gnuplot"):
        return False
    path = os.path.join(where, name)
    for kind, terminal in (("svg", f"svg size {width},{height} font 'DejaVu Sans,13' background rgb 'white'"),
                           ("png", f"pngcairo size {width},{height} font 'DejaVu Sans,11' background rgb 'white'")):
        text = f"set encoding utf8\nset terminal {terminal}\nset output {quote(path + '.' + kind)}\n{STYLE}\n{script}\n"
        done = subprocess.run(["gnuplot", "-"], input=text, text=True, check=False, capture_output=True)
        if done.returncode != 0:
            print(f"gnuplot cannot draw {name}: {done.stderr.strip()}")
            return False
    return True


def data_block(name, rows):
    return f"${name} << EOD\n" + "\n".join(" ".join(str(item) for item in row) for row in rows) + "\nEOD\n"


def lines_plot(series, head):
    """`series`: [(client, [(x, y), ...])]."""
    blocks = "".join(data_block(f"d{i}", rows) for i, (_, rows) in enumerate(series))
    parts = [f"$d{i} using 1:2 with linespoints lw 3 pt 7 ps 0.8 lc rgb '{colour_of(client)}' title {quote(name_of(client))}"
             for i, (client, _) in enumerate(series)]
    return blocks + head + "\nplot " + ", ".join(parts)


def throughput(results):
    series = [(client, [(result.rows(client, row)[0]["in_flight"], result.values(client, "ops_per_s", row)["median"] / 1e3)
                        for row in range(result.row_count(client))])
              for result in results if result.group.name == "scale" for client in result.clients()]
    return series and lines_plot(series, """
set title 'Queries per second, one connection (higher is better)'
set xlabel 'queries in flight'
set ylabel 'thousand queries / s'
set logscale x 2
set yrange [0:*]
set key bottom right""")


def latency(results):
    series = []
    for result in results:
        for client in result.clients() if result.group.name == "latency" else []:
            rows = []
            for i, quantile in enumerate(QUANTILES):
                values = sorted(row["latency_us"][quantile] for row in result.rows(client, 0))
                rows.append((i, values[len(values) // 2]))
            series.append((client, rows))
    tics = ", ".join(f"'{quantile[1:]} %%' {i}" for i, quantile in enumerate(QUANTILES))
    return series and lines_plot(series, f"""
set title 'Latency of one query at a time (lower is better)'
set xlabel 'share of the queries that are not slower'
set ylabel 'microseconds'
set logscale y
set format y "%'.0f"
set xtics ({tics})
set xrange [-0.2:4.2]
set key top left""")


def memory(results):
    series = [(client, result.first(client)["memory"])
              for result in results if result.group.name == "upsert" for client in result.clients()]
    series = [(client, rows) for client, rows in series if rows]
    text = lines_plot(series, """
set title 'Memory of the client while it upserts 1.9 MB batches, 8 in flight (lower is better)'
set xlabel 'seconds since its start'
set ylabel 'resident memory, MB (logarithmic)'
set logscale y 2
set yrange [4:*]
set key outside right center""") if series else ""
    return text.replace("with linespoints lw 3 pt 7 ps 0.8", "with lines lw 3")


def uploads(results):
    series = [(client, [(row["parts"], result.values(client, "payload_mb_per_s", i)["median"])
                        for i, row in enumerate(result.first(client)["rows"])])
              for result in results if result.group.name == "upload-parts" for client in result.clients()]
    return series and lines_plot(series, """
set title 'Upload of 512 MiB, 40 % of the documents deleted (higher is better)'
set xlabel 'parts'
set ylabel 'MB / s'
set logscale x 4
set yrange [0:*]
set key bottom left""")


def bars_panel(block, result, row, title):
    """Horizontal bars of the CPU of an operation, logarithmic; beside them how many times vecmux's it is."""
    ours = result.group.clients[0]
    own = result.values(ours, "cpu_us_per_op", row)["median"] if ours in result.reports else math.inf
    clients = sorted(result.clients(), key=lambda client: result.values(client, "cpu_us_per_op", row)["median"], reverse=True)
    rows = []
    for i, client in enumerate(clients):
        found = result.values(client, "cpu_us_per_op", row)["median"]
        text = f"{found:,.3g} us" if found < 1000 else f"{found:,.0f} us"
        if client != ours:
            text += f", {found / own:.2g} x" if found < 100 * own else f", {found / own:.0f} x"
        rows.append((i, f"{found:.4g}", int(colour_of(client)[1:], 16), f'"{name_of(client)}"', f'"{text}"'))
    low = min(float(found[1]) for found in rows) / 3
    high = max(float(found[1]) for found in rows) * 6
    return data_block(block, rows) + f"""
set title {quote(title)}
set yrange [-0.6:{len(rows) - 0.4}]
set xrange [{low}:{high}]
plot ${block} using ({low}):1:({low}):2:($1-0.36):($1+0.36):3:ytic(4) with boxxyerror fs solid 0.9 noborder lc rgb variable notitle, \\
     ${block} using 2:1:5 with labels left offset 0.6,0 textcolor rgb '#222222' notitle
"""


def cpu(results):
    panels = []
    for name, title in (("query", "one query, 10 matches read"), ("decode", "one query, 100 matches with values read"),
                        ("decode-alone", "a reply of 100 matches decoded and read, without its call"), ("upsert", "one upsert of 610 vectors")):
        panels += [(result, title) for result in results if result.group.name == name and result.clients()]
    if not panels:
        return None
    text = f"""
set logscale x
set format x ''
unset xtics
set border 2
unset grid
set lmargin 28
set multiplot layout {len(panels)},1 title 'Client CPU, logarithmic (shorter is better); x: times what vecmux takes' font ',15'
"""
    for i, (result, title) in enumerate(panels):
        text += bars_panel(f"p{i}", result, 0, title)
    return text + "unset multiplot\n"


def draw(where, results):
    """Draws what can be drawn; gives [(file name without suffix, title)]."""
    pictures = [("cpu", "Client CPU per operation", cpu, 900, 1000), ("throughput", "Throughput by calls in flight", throughput, 900, 520),
                ("latency", "Latency percentiles", latency, 900, 520), ("memory", "Memory over time", memory, 980, 520),
                ("uploads", "Rate of an upload by its parts", uploads, 900, 520)]
    drawn = []
    for name, title, make, width, height in pictures:
        script = make(results)
        if script and render(where, name, script, width, height):
            drawn.append((name, title))
    return drawn
