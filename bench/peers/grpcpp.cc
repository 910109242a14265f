/*
 * grpcpp: gRPC's asynchronous C++ API with generated messages, one thread, requests and replies used again: what a careful
 * user of gRPC C++ writes. Builds each request from the caller's floats and reads what vecmux-bench reads.
 */
extern "C" {
#include "../clock.h"
#include "../data.h"
#include "../report.h"
}

#include <cstring>
#include <fstream>
#include <google/protobuf/stubs/common.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <pinecone/vector_service.grpc.pb.h>
#include <sstream>
#include <string>
#include <vector>

namespace
{

const char head[] = "usage: grpcpp query|latency|scale|decode|decode-alone|upsert [options]\n";
const int timeout_s = 30; /* vecmux's call.timeout.ms */

std::shared_ptr<grpc::Channel>
open_channel(const bench_options &options)
{
    grpc::ChannelArguments args;
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    args.SetMaxReceiveMessageSize(-1);
    std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
    if (options.tls_ca) {
        std::ostringstream pem;
        pem << std::ifstream(options.tls_ca).rdbuf();
        grpc::SslCredentialsOptions tls;
        tls.pem_root_certs = pem.str();
        credentials = grpc::SslCredentials(tls);
    }
    return grpc::CreateCustomChannel(options.endpoint, credentials, args);
}

/* What is sent and read. `Traits` has Request, Reply, prepare, fill and read. */
struct Query {
    using Request = QueryRequest;
    using Reply = QueryResponse;

    const bench_options &options;
    bool read_values, read_metadata;
    std::vector<float> vectors;
    size_t next = 0;
    size_t reply_values = 0;

    Query(const bench_options &from, bool metadata)
        : options(from), read_values(from.with_values), read_metadata(metadata), vectors(BENCH_QUERIES * from.dimension)
    {
        bench_random random = from.seed;
        std::unique_ptr<float, decltype(&free)> floats(bench_random_floats(&random, vectors.size()), free);
        std::copy_n(floats.get(), vectors.size(), vectors.begin());
    }

    static std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>>
    prepare(VectorService::Stub &stub, grpc::ClientContext *context, const Request &request,
            grpc::CompletionQueue *queue)
    {
        return stub.PrepareAsyncQuery(context, request, queue);
    }

    void fill(Request &request)
    {
        const float *vector = &vectors[next * options.dimension];
        next = (next + 1) % BENCH_QUERIES;
        request.set_top_k(options.top_k);
        request.set_include_values(options.with_values);
        request.set_include_metadata(options.with_metadata);
        request.mutable_vector()->Assign(vector, vector + options.dimension);
    }

    static double sum_of(const google::protobuf::Struct &metadata)
    {
        double sum = 0;
        for (const auto &field : metadata.fields()) {
            const google::protobuf::Value &value = field.second;
            sum += static_cast<double>(field.first.size() + value.string_value().size()) + value.number_value();
            for (const auto &item : value.list_value().values())
                sum += static_cast<double>(item.string_value().size());
        }
        return sum;
    }

    double read(const Reply &reply)
    {
        double sum = 0;
        reply_values = 0;
        for (const ScoredVector &match : reply.matches()) {
            sum += static_cast<double>(match.score()) + (match.id().empty() ? 0 : match.id().back());
            size_t values = read_values ? static_cast<size_t>(match.values_size()) : 0;
            reply_values += values;
            sum += bench_sum(match.values().data(), values) + (read_metadata ? sum_of(match.metadata()) : 0);
        }
        return sum;
    }

    void sizes(bench_row *row, size_t request_bytes, size_t reply_bytes) const
    {
        row->payload_bytes = 4 * static_cast<double>(options.dimension + reply_values);
        row->wire_bytes = bench_wire_bytes(static_cast<double>(request_bytes), static_cast<double>(reply_bytes));
    }
};

struct Upsert {
    using Request = UpsertRequest;
    using Reply = UpsertResponse;

    const bench_options &options;
    size_t count;
    std::vector<float> floats;
    std::vector<std::string> ids; /* as vecmux-bench has them: ready */
    std::string text;

    explicit Upsert(const bench_options &from)
        : options(from), count(bench_options_batch(&from)), floats(count * from.dimension)
    {
        bench_random random = from.seed;
        std::unique_ptr<float, decltype(&free)> made(bench_random_floats(&random, floats.size()), free);
        std::unique_ptr<char, decltype(&free)> payload(bench_payload_new(from.payload), free);
        std::copy_n(made.get(), floats.size(), floats.begin());
        for (size_t i = 0; i < count; i++) {
            char id[BENCH_ID_BYTES + 1];
            bench_id_write(id, i);
            ids.emplace_back(id, BENCH_ID_BYTES);
        }
        text = payload.get();
    }

    static std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>>
    prepare(VectorService::Stub &stub, grpc::ClientContext *context, const Request &request,
            grpc::CompletionQueue *queue)
    {
        return stub.PrepareAsyncUpsert(context, request, queue);
    }

    void fill(Request &request) const
    {
        request.clear_vectors();
        for (size_t i = 0; i < count; i++) {
            Vector *vector = request.add_vectors();
            const float *values = &floats[i * options.dimension];
            vector->set_id(ids[i]);
            vector->mutable_values()->Assign(values, values + options.dimension);
            if (options.payload > 0)
                (*vector->mutable_metadata()->mutable_fields())[BENCH_PAYLOAD_FIELD].set_string_value(text);
        }
    }

    static double read(const Reply &reply)
    {
        return reply.upserted_count();
    }

    void sizes(bench_row *row, size_t request_bytes, size_t reply_bytes) const
    {
        row->payload_bytes = 4 * static_cast<double>(count * options.dimension);
        row->wire_bytes = bench_wire_bytes(static_cast<double>(request_bytes), static_cast<double>(reply_bytes));
    }
};

template <class Work> struct Call {
    typename Work::Request request;
    typename Work::Reply reply;
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<typename Work::Reply>> reader;
    grpc::Status status;
    uint64_t start_ns = 0;

    void start(Work &work, VectorService::Stub &stub, grpc::CompletionQueue *queue)
    {
        start_ns = bench_now_ns();
        work.fill(request);
        context = std::make_unique<grpc::ClientContext>();
        context->AddMetadata("x-pinecone-api-version", "2026-07");
        context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(timeout_s));
        reader = Work::prepare(stub, context.get(), request, queue);
        reader->StartCall();
        reader->Finish(&reply, &status, this);
    }
};

template <class Work>
void
measure(const bench_options &options, Work &work, bench_row *row)
{
    std::unique_ptr<VectorService::Stub> stub = VectorService::NewStub(open_channel(options));
    grpc::CompletionQueue queue;
    std::vector<Call<Work>> calls(row->in_flight);
    bench_meter meter;
    bench_meter_begin(&meter, row, &options);
    for (Call<Work> &call : calls)
        call.start(work, *stub, &queue);
    void *tag = nullptr;
    bool ok = false;
    for (size_t open = calls.size(); open > 0 && queue.Next(&tag, &ok);) {
        Call<Work> *call = static_cast<Call<Work> *>(tag);
        bool good = ok && call->status.ok();
        if (good)
            row->checksum += work.read(call->reply);
        if (bench_meter_record(&meter, call->start_ns, bench_now_ns(), good, 1))
            call->start(work, *stub, &queue);
        else
            open--;
    }
    work.sizes(row, calls[0].request.ByteSizeLong(), calls[0].reply.ByteSizeLong());
    queue.Shutdown();
    while (queue.Next(&tag, &ok))
        continue;
}

void
run_decode(const bench_options &options, bench_report *report, size_t in_flight)
{
    bench_options with_all = options;
    with_all.with_values = with_all.with_metadata = true;
    with_all.top_k = std::max(options.top_k, 100u);
    Query values(with_all, false), all(with_all, true);
    measure(with_all, values, bench_report_add(report, in_flight, "values"));
    measure(with_all, all, bench_report_add(report, in_flight, "values and metadata"));
}

/* The reply of one query, as it came: slices of memory. */
std::vector<grpc::Slice>
receive(const bench_options &options, Query &query)
{
    QueryRequest request;
    query.fill(request);
    grpc::ByteBuffer sent, received;
    bool own;
    grpc::SerializationTraits<QueryRequest>::Serialize(request, &sent, &own);
    grpc::GenericStub stub(open_channel(options));
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::Status status;
    auto reader = stub.PrepareUnaryCall(&context, "/VectorService/Query", sent, &queue);
    reader->StartCall();
    reader->Finish(&received, &status, nullptr);
    void *tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    if (!status.ok() || !received.Dump(&slices).ok())
        fprintf(stderr, "bench: the server has sent no reply: %s\n", status.error_message().c_str());
    return slices;
}

/* As decode_alone.c: the same reply again and again, its bytes written again before each time. */
bool
run_decode_alone(const bench_options &options, bench_report *report)
{
    bench_options with_all = options;
    with_all.with_values = with_all.with_metadata = true;
    Query query(with_all, false);
    std::vector<grpc::Slice> slices = receive(options, query);
    std::vector<std::string> bytes;
    for (const grpc::Slice &slice : slices)
        bytes.emplace_back(slice.begin(), slice.end());
    QueryResponse reply;
    bool good = !slices.empty();
    bench_row *row = bench_report_add(report, 1, "values");
    bench_meter meter;
    bench_meter_begin(&meter, row, &options);
    while (good && bench_meter_tick(&meter, bench_now_ns())) {
        for (size_t i = 0; i < slices.size(); i++)
            memcpy(const_cast<uint8_t *>(slices[i].begin()), bytes[i].data(), bytes[i].size());
        grpc::ByteBuffer buffer(slices.data(), slices.size());
        uint64_t start = bench_now_ns();
        good = grpc::SerializationTraits<QueryResponse>::Deserialize(&buffer, &reply).ok();
        row->checksum += query.read(reply);
        bench_meter_record(&meter, start, bench_now_ns(), good, 1);
    }
    row->payload_bytes = 4 * static_cast<double>(query.reply_values);
    bench_meter_of_work_alone(row);
    return good;
}

bool
run(const bench_options &options, bench_report *report)
{
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(&options, levels);
    const std::string scenario = options.scenario;
    if (scenario == "decode") {
        run_decode(options, report, levels[0]);
        return true;
    }
    if (scenario == "decode-alone")
        return run_decode_alone(options, report);
    Query query(options, options.with_metadata);
    Upsert upsert(options);
    for (size_t i = 0; i < count; i++) {
        bench_row *row = bench_report_add(report, levels[i], "%zu in flight", levels[i]);
        if (scenario == "query" || scenario == "latency" || scenario == "scale")
            measure(options, query, row);
        else if (scenario == "upsert")
            measure(options, upsert, row);
        else
            return false;
    }
    return true;
}

} // namespace

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code) || !bench_options_are_plain(&options) ||
        !bench_options_send_ready(&options))
        return exit_code;
    std::string versions = "grpc++ " + grpc::Version() + ", protobuf " +
                           google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
    bench_report report = {};
    report.client = "grpc++";
    report.versions = versions.c_str();
    report.options = &options;
    report.failed = !run(options, &report);
    if (report.failed)
        fprintf(stderr, "bench: this client has no scenario \"%s\"\n", options.scenario);
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
