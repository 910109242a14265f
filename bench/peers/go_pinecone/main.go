// go_pinecone: Pinecone's own Go client, a goroutine for each call in flight, the JSON of vecmux-bench.
//
// usage: go_pinecone query|latency|decode|upsert [options of vecmux-bench]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/bits"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinecone-io/go-pinecone/v5/pinecone"
)

const (
	queries      = 64
	maxBatch     = 1000
	idBytes      = 17
	framingBytes = 24
)

type options struct {
	scenario, endpoint, tlsCA, inFlight string
	dimension, topK, batch, batchBytes  int
	seconds, warmUp                     float64
	seed                                int64
	asJSON                              bool
}

func parse() options {
	var o options
	flags := flag.NewFlagSet("go_pinecone", flag.ExitOnError)
	flags.StringVar(&o.endpoint, "endpoint", "127.0.0.1:5081", "")
	flags.StringVar(&o.tlsCA, "tls-ca", "", "")
	flags.StringVar(&o.inFlight, "in-flight", "", "")
	flags.IntVar(&o.dimension, "dimension", 768, "")
	flags.IntVar(&o.topK, "top-k", 10, "")
	flags.IntVar(&o.batch, "batch", 0, "")
	flags.IntVar(&o.batchBytes, "batch-bytes", 1900000, "")
	flags.Float64Var(&o.seconds, "seconds", 3, "")
	flags.Float64Var(&o.warmUp, "warm-up", 1, "")
	flags.Int64Var(&o.seed, "seed", 1, "")
	flags.BoolVar(&o.asJSON, "json", false, "")
	flags.Bool("lend", false, "vecmux's own")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "go_pinecone: name a scenario")
		os.Exit(2)
	}
	o.scenario = os.Args[1]
	flags.Parse(os.Args[2:])
	defaults := map[string]string{"query": "32", "latency": "1", "decode": "4", "upsert": "8"}
	if o.inFlight == "" {
		o.inFlight = defaults[o.scenario]
	}
	if o.batch == 0 {
		o.batch = min(maxBatch, o.batchBytes/(4*o.dimension+idBytes+framingBytes))
	}
	if o.scenario == "decode" {
		o.topK = max(o.topK, 100)
	}
	return o
}

func randomVectors(o options, count int) [][]float32 {
	source := rand.New(rand.NewSource(o.seed))
	vectors := make([][]float32, count)
	for i := range vectors {
		vectors[i] = make([]float32, o.dimension)
		for j := range vectors[i] {
			vectors[i][j] = 2*source.Float32() - 1
		}
	}
	return vectors
}

// bucketOf is that of histogram.c.
func bucketOf(value uint64) int {
	if value < 256 {
		return int(value)
	}
	exponent := bits.Len64(value) - 1
	return 256 + (exponent-8)*128 + int(value>>(exponent-7)&127)
}

// work makes one call and reads its result.
type work func(ctx context.Context, number int) (float64, error)

func newWork(o options, index *pinecone.IndexConnection) work {
	if o.scenario == "upsert" {
		values := randomVectors(o, o.batch)
		records := make([]*pinecone.Vector, o.batch)
		for i := range records {
			records[i] = &pinecone.Vector{Id: fmt.Sprintf("item-%012d", i), Values: &values[i]}
		}
		return func(ctx context.Context, _ int) (float64, error) {
			count, err := index.UpsertVectors(ctx, records)
			return float64(count), err
		}
	}
	vectors := randomVectors(o, queries)
	withValues := o.scenario == "decode"
	return func(ctx context.Context, number int) (float64, error) {
		reply, err := index.QueryByVectorValues(ctx, &pinecone.QueryByVectorValuesRequest{
			Vector: vectors[number%queries], TopK: uint32(o.topK), IncludeValues: withValues, IncludeMetadata: withValues})
		if err != nil {
			return 0, err
		}
		return read(reply, withValues), nil
	}
}

func read(reply *pinecone.QueryVectorsResponse, withValues bool) float64 {
	sum := 0.0
	for _, match := range reply.Matches {
		sum += float64(match.Score) + float64(len(match.Vector.Id))
		if withValues && match.Vector.Values != nil {
			for _, value := range *match.Vector.Values {
				sum += float64(value)
			}
		}
	}
	return sum
}

// runner is what one goroutine counts.
type runner struct {
	latencies []uint64
	errors    int
	checksum  float64
	lastError error
}

func (r *runner) run(call work, begin, end time.Time) {
	for number := 0; ; number++ {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		start := time.Now()
		sum, err := call(ctx, number)
		now := time.Now()
		cancel()
		if now.After(end) {
			return
		}
		if now.Before(begin) {
			continue
		}
		if err != nil {
			r.errors++
			r.lastError = err
			continue
		}
		r.checksum += sum
		r.latencies = append(r.latencies, uint64(now.Sub(start)))
	}
}

func usage() syscall.Rusage {
	var found syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &found)
	return found
}

func microseconds(t syscall.Timeval) float64 {
	return float64(t.Sec)*1e6 + float64(t.Usec)
}

func measure(o options, inFlight int) (map[string]any, error) {
	client, err := pinecone.NewClient(pinecone.NewClientParams{ApiKey: "bench"})
	if err != nil {
		return nil, err
	}
	scheme := "http://"
	if o.tlsCA != "" {
		scheme = "https://"
	}
	index, err := client.Index(pinecone.NewIndexConnParams{Host: scheme + strings.Replace(o.endpoint, "127.0.0.1", "localhost", 1)})
	if err != nil {
		return nil, err
	}
	defer index.Close()
	call := newWork(o, index)
	begin := time.Now().Add(time.Duration(o.warmUp * 1e9))
	end := begin.Add(time.Duration(o.seconds * 1e9))
	runners := make([]runner, inFlight)
	var group sync.WaitGroup
	for i := range runners {
		group.Add(1)
		go func(r *runner) {
			defer group.Done()
			r.run(call, begin, end)
		}(&runners[i])
	}
	time.Sleep(time.Until(begin))
	before := usage()
	time.Sleep(time.Until(end))
	after := usage()
	group.Wait()
	return row(o, inFlight, runners, before, after)
}

func row(o options, inFlight int, runners []runner, before, after syscall.Rusage) (map[string]any, error) {
	var all []uint64
	errors, checksum := 0, 0.0
	var lastError error
	for _, r := range runners {
		all = append(all, r.latencies...)
		errors += r.errors
		checksum += r.checksum
		if r.lastError != nil {
			lastError = r.lastError
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no operation succeeded: %v", lastError)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	histogram, total := map[int]int{}, uint64(0)
	for _, latency := range all {
		histogram[bucketOf(latency)]++
		total += latency
	}
	pairs := [][2]int{}
	for bucket, count := range histogram {
		pairs = append(pairs, [2]int{bucket, count})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
	latency := map[string]float64{"min": float64(all[0]) / 1e3, "max": float64(all[len(all)-1]) / 1e3,
		"mean": float64(total) / float64(len(all)) / 1e3}
	for name, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999} {
		latency[name] = float64(all[max(1, int(math.Ceil(q*float64(len(all)))))-1]) / 1e3
	}
	vectors := 1
	if o.scenario == "upsert" {
		vectors = o.batch
	} else if o.scenario == "decode" {
		vectors += o.topK
	}
	done := float64(len(all) + errors)
	user := microseconds(after.Utime) - microseconds(before.Utime)
	system := microseconds(after.Stime) - microseconds(before.Stime)
	payload := float64(4 * o.dimension * vectors)
	rate := float64(len(all)) / o.seconds
	return map[string]any{"label": fmt.Sprintf("%d in flight", inFlight), "in_flight": inFlight, "channels": 1,
		"operations": len(all), "errors": errors, "attempts": nil, "seconds": o.seconds, "ops_per_s": rate,
		"payload_mb_per_s": rate * payload / 1e6, "payload_bytes_per_op": payload, "wire_bytes_per_op": nil,
		"cpu_us_per_op": (user + system) / done, "user_us_per_op": user / done, "system_us_per_op": system / done,
		"switches_per_op":    float64(after.Nvcsw+after.Nivcsw-before.Nvcsw-before.Nivcsw) / done,
		"allocations_per_op": nil, "peak_rss_kb": after.Maxrss, "rss_bytes_per_call": nil, "checksum": checksum,
		"latency_us": latency, "histogram": pairs}, nil
}

func versions() string {
	text := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if strings.Contains(module.Path, "go-pinecone") || module.Path == "google.golang.org/grpc" {
				text += ", " + module.Path + " " + module.Version
			}
		}
	}
	return text
}

func main() {
	o := parse()
	if o.tlsCA != "" {
		os.Setenv("SSL_CERT_FILE", o.tlsCA)
	}
	rows := []any{}
	for _, text := range strings.Split(o.inFlight, ",") {
		inFlight, err := strconv.Atoi(text)
		if err == nil {
			var found map[string]any
			found, err = measure(o, inFlight)
			rows = append(rows, found)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "go_pinecone:", err)
			os.Exit(1)
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"client": "go-pinecone", "scenario": o.scenario, "versions": versions(),
		"failed": false, "settings": map[string]any{"endpoint": o.endpoint, "levels": o.inFlight, "dimension": o.dimension, "top_k": o.topK,
			"batch": o.batch, "tls": o.tlsCA != "", "seed": o.seed, "seconds": o.seconds, "warm_up_s": o.warmUp}, "rows": rows})
}
