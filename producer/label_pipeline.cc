#include "decant/producer/label_pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

#include "decant/base/bounded_queue.h"
#include "decant/base/error.h"

namespace decant {
namespace {

// What travels through the pipeline: the batches of one plan, an epoch each, in re-used memory.
struct Group {
  uint64_t number = 0;  // of the plan
  BatchPlan plan;
  std::vector<TeacherBatch> batches;  // [plan.num_epochs]
  std::vector<LabelBatch> labels;     // [plan.num_epochs]
};

}  // namespace

struct LabelPipeline::Impl {
  Impl(const Schema& a_schema, const BatchRenderer& a_renderer, Teacher& a_teacher, const PipelineOptions& an_options,
       Trace* a_trace)
      : schema(a_schema),
        renderer(a_renderer),
        teacher(a_teacher),
        options(an_options),
        trace(a_trace),
        rendered(NumGroups()) {
    groups.resize(NumGroups());
    for (Group& group : groups) idle.push_back(&group);
    for (uint32_t i = 0; i < options.decode_threads; ++i) {
      threads.emplace_back([this] { Run("render", [this] { Render(); }); });
    }
    for (uint32_t i = 0; i < options.replicas; ++i) {
      threads.emplace_back([this] { Run("teacher", [this] { Forward(); }); });
    }
  }
  ~Impl() { Stop(nullptr); }

  size_t NumGroups() const {
    const size_t num_threads = size_t{options.decode_threads} + options.replicas;
    return num_threads * (1 + options.queue_depth);
  }

  // A thread's body: whatever it throws stops the pipeline.
  template <typename Body>
  void Run(const char* name, const Body& body);
  void Stop(std::exception_ptr an_error);
  void Render();
  void Forward();
  // The oldest plan and memory for it, given out together so that the oldest batch in flight never waits for memory.
  Group* TakePlan();
  Group* TakeRendered();
  Group* TakeLabelled();
  void Recycle(Group* group);

  const Schema& schema;
  const BatchRenderer& renderer;
  Teacher& teacher;
  const PipelineOptions options;
  Trace* const trace;

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Group> groups;
  std::vector<Group*> idle;
  std::deque<BatchPlan> plans;
  uint64_t num_started = 0;             // plans that were given out
  std::map<uint64_t, Group*> labelled;  // by number
  bool stopped = false;
  std::exception_ptr error;

  BoundedQueue<Group*> rendered;

  // Of the caller of Next().
  Group* current = nullptr;
  size_t current_epoch = 0;
  uint64_t num_groups_taken = 0;

  std::vector<std::jthread> threads;  // last: they use all of the above
};

template <typename Body>
void LabelPipeline::Impl::Run(const char* name, const Body& body) {
  try {
    if (trace) trace->NameThread(name);
    body();
  } catch (...) {
    Stop(std::current_exception());
  }
}

void LabelPipeline::Impl::Stop(std::exception_ptr an_error) {
  {
    const std::lock_guard lock(mutex);
    if (!stopped) error = std::move(an_error);
    stopped = true;
  }
  changed.notify_all();
  rendered.Close();
}

Group* LabelPipeline::Impl::TakePlan() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return stopped || (!plans.empty() && !idle.empty()); });
  if (stopped) return nullptr;
  Group* group = idle.back();
  idle.pop_back();
  group->number = num_started++;
  group->plan = std::move(plans.front());
  plans.pop_front();
  return group;
}

void LabelPipeline::Impl::Render() {
  while (Group* group = TakePlan()) {
    const TraceScope scope(trace, "decode and render", group->plan.positions.size() * group->plan.num_epochs);
    group->batches.resize(group->plan.num_epochs);
    renderer.Render(group->plan.epoch, group->plan.positions, group->batches);
    if (!rendered.Push(group)) return;
  }
}

void LabelPipeline::Impl::Forward() {
  LabelSelector selector(schema.codec, schema.selection, schema.seed);
  while (Group* group = TakeRendered()) {
    group->labels.resize(group->plan.num_epochs);
    for (size_t e = 0; e < group->batches.size(); ++e) {
      const TraceScope scope(trace, "forward and select", group->plan.positions.size());
      group->labels[e].Clear();
      LabelTeacherBatch(teacher, group->batches[e], &selector, &group->labels[e]);
    }
    {
      const std::lock_guard lock(mutex);
      labelled.emplace(group->number, group);
    }
    changed.notify_all();
  }
}

Group* LabelPipeline::Impl::TakeRendered() {
  const auto group = rendered.Pop();
  const std::lock_guard lock(mutex);
  return group && !stopped ? *group : nullptr;
}

Group* LabelPipeline::Impl::TakeLabelled() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return stopped || labelled.contains(num_groups_taken); });
  if (error) std::rethrow_exception(error);
  const auto found = labelled.find(num_groups_taken);
  if (found == labelled.end()) Fail(ErrorCode::kInternal, "the pipeline ended early");
  Group* group = found->second;
  labelled.erase(found);
  ++num_groups_taken;
  return group;
}

void LabelPipeline::Impl::Recycle(Group* group) {
  {
    const std::lock_guard lock(mutex);
    idle.push_back(group);
  }
  changed.notify_all();
}

LabelPipeline::LabelPipeline(const Schema& schema, const BatchRenderer& renderer, Teacher& teacher,
                             const PipelineOptions& options, Trace* trace) {
  for (const auto& [name, value] :
       {std::pair("decode_threads", options.decode_threads), std::pair("replicas", options.replicas),
        std::pair("queue_depth", options.queue_depth)}) {
    if (value >= 1 && value <= 1024) continue;
    Fail(ErrorCode::kInvalidArgument, "produce.{} is {}, but must be 1 to 1024", name, value);
  }
  impl_ = std::make_unique<Impl>(schema, renderer, teacher, options, trace);
}

LabelPipeline::~LabelPipeline() = default;

void LabelPipeline::Plan(std::vector<BatchPlan> plans) {
  Impl& self = *impl_;
  {
    const std::lock_guard lock(self.mutex);
    std::move(plans.begin(), plans.end(), std::back_inserter(self.plans));
  }
  self.changed.notify_all();
}

void LabelPipeline::Abandon() {
  impl_->Stop(std::make_exception_ptr(Error(ErrorCode::kCancelled, "labelling was abandoned")));
}

void LabelPipeline::Next(LabelBatch* labels) {
  Impl& self = *impl_;
  if (!self.current) {
    self.current = self.TakeLabelled();
    self.current_epoch = 0;
  }
  labels->AppendSamples(self.current->labels[self.current_epoch], 0, self.current->plan.positions.size());
  if (++self.current_epoch < self.current->labels.size()) return;
  self.Recycle(std::exchange(self.current, nullptr));
}

}  // namespace decant
