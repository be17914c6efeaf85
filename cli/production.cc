#include "production.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "console.h"
#include "run_texts.h"

namespace decant {
namespace {

constexpr std::chrono::seconds kPatienceWithGuests(30);
constexpr uint64_t kFileBytes = 1500;  // of a span's file, beside its chunks

std::vector<uint64_t> Without(const std::vector<uint64_t>& spans, const std::vector<uint64_t>& others) {
  std::vector<uint64_t> rest;
  std::ranges::set_difference(spans, others, std::back_inserter(rest));
  return rest;
}

uint64_t SamplesOf(const Layout& layout, uint64_t span) {
  const Span place = layout.SpanAt(span);
  return std::min(place.chunk_end * layout.chunk_size, layout.num_samples) - place.chunk_begin * layout.chunk_size;
}

}  // namespace

Production::Production(std::string store_path, const ProductionOptions& options)
    : store_path_(std::move(store_path)), options_(options) {}

std::vector<uint64_t> Production::Begin(const Schema& schema, const SpanGroups& groups,
                                        const StoreWriter::Calibrator& calibrate,
                                        const std::function<double()>& bytes_per_sample) {
  layout_ = schema.layout;
  groups_.emplace(groups);
  OpenStore(schema, calibrate);
  RequireProbe(schema);
  start_ = std::chrono::steady_clock::now();
  RunFacts facts = {.store = store_path_,
                    .host = schema.provenance.value("host", ""),
                    .version = DECANT_VERSION,
                    .pid = ::getpid(),
                    .num_ranks = options_.num_ranks,
                    .schema_digest = SchemaDigest(schema),
                    .partition = options_.partition};
  for (uint64_t span = 0; span < layout_.num_spans(); ++span) {
    if (!IsMine(groups_->GroupOf(span))) continue;
    ++facts.spans_planned;
    facts.labels_planned += SamplesOf(layout_, span);
  }
  auto report = std::make_unique<RunReport>(facts, Count(), RunReportOptions{.metrics = options_.metrics});
  if (!store_->taken_from().empty()) report->Log("takeover", {{"from", store_->taken_from()}});
  {
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  bytes_per_sample_ = BytesPerSample(bytes_per_sample);
  if (options_.check_space) RequireSpace();
  staged_ = store_->StagedSpans();
  return MyGroups(Without(store_->MissingSpans(), staged_));
}

// Guests are writers for moments at a time.
void Production::OpenStore(const Schema& schema, const StoreWriter::Calibrator& calibrate) {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    try {
      store_.emplace(store_path_, schema, calibrate, WriterOptions{.lease_seconds = options_.lease_seconds});
      break;
    } catch (const Error& busy) {
      SpanClaims claims(store_path_, options_.lease_seconds);
      const bool has_guests = !claims.HasJob() && !claims.ClaimedByOthers().empty();
      const auto waited = std::chrono::steady_clock::now() - begin;
      if (busy.code() != ErrorCode::kUnavailable || !has_guests || waited > kPatienceWithGuests) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  if (!options_.partition) claims_.emplace(store_path_, options_.lease_seconds, SpanClaims::Job{});
}

std::vector<uint64_t> Production::Adopt() {
  const StoreCounts before = Count();
  const std::vector<uint64_t> adopted = store_->Adopt();
  if (adopted.empty()) return adopted;
  const StoreCounts after = Count();
  report_->Log("adopted", {{"spans", adopted}});
  labels_adopted_ += after.labels - before.labels;
  report_->Committed({after.spans - before.spans, after.labels - before.labels, after.bytes - before.bytes});
  return adopted;
}

std::vector<uint64_t> Production::Settle() {
  if (staged_.empty()) return {};
  Adopt();
  std::erase_if(staged_, [this](uint64_t span) { return !store_->IsMissing(span); });
  return MyGroups(staged_);
}

void Production::Commit(const std::vector<SpanFile>& files) {
  std::vector<const SpanFile*> added;
  for (const SpanFile& file : files) {
    const auto is_same = [&](const SpanFile* other) { return other->trailer.span == file.trailer.span; };
    if (store_->IsMissing(file.trailer.span) && std::ranges::none_of(added, is_same)) added.push_back(&file);
  }
  for (const uint64_t span : store_->Commit(files)) {
    report_->Log("span_differs",
                 {{"span", span}, {"text", "labelled twice, with different labels; the first ones stay"}});
  }
  StoreCounts counts;
  for (const SpanFile* file : added) {
    ++counts.spans;
    counts.labels += SamplesOf(layout_, file->trailer.span);
    counts.bytes += file->file_bytes;
    labels_added_ += file->trailer.num_labels;
  }
  report_->Committed(counts);
  if (!claims_) return;
  for (const SpanFile& file : files) claims_->Release(groups_->GroupOf(file.trailer.span));
  Adopt();
}

void Production::Complete(const std::function<bool()>& stop_requested) {
  while (claims_ && !store_->MissingSpans().empty()) {
    const bool has_guests = !claims_->ClaimedByOthers().empty();
    const bool has_adopted = !Adopt().empty();
    if (has_adopted || store_->MissingSpans().empty()) continue;
    if (stop_requested()) Fail(ErrorCode::kCancelled, "stopped while others label the last spans");
    if (!has_guests) Fail(ErrorCode::kCancelled, "the labellers of the last spans have left them");
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  if (!store_->MissingSpans().empty()) return;
  claims_.reset();
  digest_ = store_->Seal();
}

void Production::Tick(const JobStatus& status) {
  const std::lock_guard lock(mutex_);
  if (report_) report_->Tick(status);
}

void Production::ReportComplete(bool json) {
  report_->Finish({.state = "complete", .exit_code = 0, .text = "", .digest = digest_});
  const double seconds = Seconds();
  if (json) {
    const nlohmann::ordered_json object = {{"store", store_path_},
                                           {"ranks", options_.num_ranks},
                                           {"labels", layout_.num_labels()},
                                           {"labels_this_run", labels_added_},
                                           {"labels_adopted", labels_adopted_},
                                           {"seconds", seconds},
                                           {"labels_per_second", static_cast<double>(labels_added_) / seconds},
                                           {"peak_rss_bytes", PeakResidentBytes()},
                                           {"digest", digest_}};
    fmt::print("{}\n", object.dump(2));
    return;
  }
  const std::string part =
      options_.partition ? fmt::format("part {} of {}, ", options_.partition->index, options_.partition->count) : "";
  fmt::print("{}: {}complete, {} labels, {} of them in this run in {:.1f} s\n", store_path_, part,
             Grouped(Count().labels), Grouped(labels_added_), seconds);
  if (!digest_.empty()) fmt::print("digest {}\n", digest_);
}

void Production::ReportStopped(const std::string& text) {
  if (!report_) return;
  const int exit_code = ExitCode(ErrorCode::kCancelled);
  report_->Finish({.state = "stopped", .exit_code = exit_code, .text = text, .digest = ""});
  fmt::print(stderr, "{}: {} at {} of {} spans; running again continues\n", store_path_, text, store_->num_committed(),
             layout_.num_spans());
}

void Production::ReportFailed(int exit_code, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (report_) report_->Finish({.state = "failed", .exit_code = exit_code, .text = text, .digest = ""});
}

bool Production::IsMine(uint64_t group) const {
  return !options_.partition || group % options_.partition->count == options_.partition->index;
}

std::vector<uint64_t> Production::MyGroups(const std::vector<uint64_t>& spans) const {
  std::vector<uint64_t> groups = groups_->GroupsOf(spans);
  std::erase_if(groups, [this](uint64_t group) { return !IsMine(group); });
  return groups;
}

StoreCounts Production::Count() const {
  StoreCounts counts;
  counts.spans = store_->num_committed();
  counts.labels = layout_.num_labels();
  for (const uint64_t span : store_->MissingSpans()) counts.labels -= SamplesOf(layout_, span);
  counts.bytes = store_->committed_bytes();
  return counts;
}

// The labels of a store come from processors and libraries that give the same logits.
void Production::RequireProbe(const Schema& schema) const {
  const std::string expected = store_->schema().provenance.value("probe", "");
  const std::string found = schema.provenance.value("probe", "");
  if (options_.any_processor || store_->MissingSpans().empty() || expected.empty() || expected == found) return;
  Fail(ErrorCode::kMismatch,
       "{}: the teacher's logits for the probe batch differ from those of the machine that began the store (probe "
       "expected {}, found {}): another type of processor or version of a library; go on there, or allow labels that "
       "differ in the last bits with --teacher.any_processor=true",
       store_path_, expected, found);
}

uint64_t Production::span_bytes() const {
  const uint64_t samples = std::min(uint64_t{layout_.chunk_size} * layout_.span_chunks, layout_.num_samples);
  return static_cast<uint64_t>(bytes_per_sample_ * static_cast<double>(samples)) + kFileBytes;
}

double Production::BytesPerSample(const std::function<double()>& guess) const {
  const StoreCounts counts = Count();
  return counts.bytes > 0 ? static_cast<double>(counts.bytes) / static_cast<double>(counts.labels) : guess();
}

// Refuses now what would stop in the middle, hours later.
void Production::RequireSpace() const {
  uint64_t samples = 0, spans = 0;
  for (const uint64_t span : store_->MissingSpans()) {
    if (!IsMine(groups_->GroupOf(span))) continue;
    samples += SamplesOf(layout_, span);
    ++spans;
  }
  const double needed = bytes_per_sample_ * static_cast<double>(samples) + static_cast<double>(kFileBytes * spans);
  const auto free = static_cast<double>(FreeBytes(store_path_));
  if (free >= needed) return;
  Fail(ErrorCode::kExhausted,
       "{}: about {} are still to be written, and no space is left for more than {}; make room, or, when labels are "
       "expired as the job goes on, give --produce.check_space=false",
       store_path_, BytesText(needed), BytesText(free));
}

double Production::Seconds() const {
  return std::max(1e-3, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

Partition ParsePartition(const std::string& text) {
  Partition partition;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, partition.index);
  const bool has_count = index.ec == std::errc() && index.ptr != end && *index.ptr == '/';
  const auto count = has_count ? std::from_chars(index.ptr + 1, end, partition.count) : index;
  if (!has_count || count.ec != std::errc() || count.ptr != end || partition.index >= partition.count) {
    Fail(ErrorCode::kInvalidArgument, "--partition is '{}', but must be I/N with I below N: 0/4, 1/4, 2/4, 3/4", text);
  }
  return partition;
}

std::string PartPath(const std::string& store_path, const Partition& partition) {
  return fmt::format("{}.parts/{}-of-{}", store_path, partition.index, partition.count);
}

}  // namespace decant
