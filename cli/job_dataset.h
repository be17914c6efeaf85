#pragma once

#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/token_view.h"
#include "decant/data/view_renderer.h"
#include "decant/store/schema.h"

#include "job.h"

namespace decant {

// What a job says of its dataset, its views and its labels, without the teacher.

// Takes from what a schema says of a dataset how it was opened, for the keys of [data] that the job does not give.
void TakeDatasetOptions(const nlohmann::json& dataset, Job* job);
// Opens the dataset that [data] names: the samples that are labelled.
std::unique_ptr<Source> OpenJobSource(const Job& job);
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

// The schema of the job's labels of `source`, without views: the caller's. `teacher` is what it records of the teacher.
Schema MakeSchema(const Job& job, const Source& source, uint32_t num_classes, const nlohmann::json& teacher);

}  // namespace decant
