#pragma once

#include <memory>
#include <string>

#include "decant/data/token_view.h"
#include "decant/data/view_renderer.h"
#include "decant/producer/span_labeller.h"
#include "decant/producer/teacher.h"
#include "decant/store/schema.h"

#include "job.h"

namespace decant {

// Everything that labelling a job's dataset needs on one rank.
struct LabellingSetup {
  std::unique_ptr<Source> source;
  std::unique_ptr<ViewRenderer> views;       // of images, or null
  std::unique_ptr<TokenViewer> token_views;  // of tokens, or null
  std::unique_ptr<BatchRenderer> renderer;
  std::unique_ptr<Teacher> teacher;
  Schema schema;
};

// The job file of labels, with the keys that labelling cannot do without: kInvalidArgument names one that is missing.
// Threads that the job leaves open are resolved from the cores of this rank.
Job ReadLabellingJob(const std::string& path, const std::vector<std::string>& overrides);
// Replaces numbers of threads that are 0 by what suits a rank of `cores` cores: a replica for every `teacher.threads`
// of them, and a decoding thread for every two replicas; on a GPU two replicas, and the cores but one decode, at
// most 16.
void ResolveThreads(const TeacherOptions& teacher, uint32_t cores, PipelineOptions* threads);
// Opens the dataset that [data] names: the samples that are labelled.
std::unique_ptr<Source> OpenJobSource(const Job& job);
// Loads the teacher that [teacher] names, for the samples of `source`.
std::unique_ptr<Teacher> MakeTeacher(const Job& job, const Source& source);
// The shape in which a network sees images: the value `size` of the job's key, if it has one; else that of the views;
// else the one shape that all images have.
ImageShape ViewShape(const Job& job, const char* key, const std::vector<uint32_t>& size, const ImageSource& source);
inline ImageShape TeacherShape(const Job& job, const ImageSource& source) {
  return ViewShape(job, "teacher.image_size", job.teacher.image_size, source);
}
// Views that are cut as these are, at their middle, and not changed otherwise: what accuracy is measured on.
ViewSpec TestViews(const ViewSpec& spec);

// The job with its views as they are in the end: those of another store, where views.from names one. kMismatch when
// that has another dataset.
Job WithViewsFrom(const Job& job, const Source& source);
// The views that [views] describes, of a resolved job. `shape` is the teacher's; a vocabulary that the job leaves out
// is that of `num_classes` tokens.
ViewRenderer MakeImageViews(const Job& job, const ImageSource& source, const ImageShape& shape);
TokenViewer MakeTokenViews(const Job& job, const TokenSource& source, uint32_t num_classes);

// Sets up what [views], [teacher] and [labels] of a resolved job name for `source`.
LabellingSetup SetUpLabelling(const Job& job, std::unique_ptr<Source> source);

// Share of up to 10,000 samples of data.test_split, evenly spread, whose true class the teacher finds likeliest.
double TeacherAccuracy(const Job& job, const LabellingSetup& setup);

}  // namespace decant
