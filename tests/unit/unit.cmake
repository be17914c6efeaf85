# Unit tests: pure code, and small stores in temporary directories. All of them together take seconds.
find_package(LibArchive REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)

decant_test(base_test LABEL unit LINKS decant::base)
decant_test(file_hash_test LABEL unit LINKS decant::base)
decant_test(random_test LABEL unit LINKS decant::base)
decant_test(half_test LABEL unit LINKS decant::base)
decant_test(trace_test LABEL unit LINKS decant::base nlohmann_json::nlohmann_json)

decant_test(record_test LABEL unit LINKS decant::store)
decant_test(layout_test LABEL unit LINKS decant::store)
decant_test(quantise_test LABEL unit LINKS decant::store)
decant_test(chunk_codec_test LABEL unit LINKS decant::store)
decant_test(chunk_damage_test LABEL unit LINKS decant::store)
decant_test(codec_cases_test LABEL unit LINKS decant::store)
decant_test(codec_tables_test LABEL unit LINKS decant::store)
foreach(test huffman_test bucket_test record_cache_test bit_stream_test class_order_test value_grid_test span_check_test writer_lease_test)
  decant_test(${test} LABEL unit LINKS decant::store)
  target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/store)
endforeach()
decant_test(schema_test LABEL unit LINKS decant::store)
decant_test(ledger_test LABEL unit LINKS decant::store)
decant_test(golden_test LABEL unit LINKS decant::store)
decant_test(store_test LABEL unit LINKS decant::store)
decant_test(verify_test LABEL unit LINKS decant::store)
decant_test(repair_test LABEL unit LINKS decant::store)
decant_test(merge_test LABEL unit LINKS decant::store)
decant_test(expiry_test LABEL unit LINKS decant::store)
decant_test(follow_test LABEL unit LINKS decant::store)
decant_test(span_claims_test LABEL unit LINKS decant::store)

decant_test(order_test LABEL unit LINKS decant::data)
decant_test(view_test LABEL unit LINKS decant::data)
decant_test(view_renderer_test LABEL unit LINKS decant::data)
foreach(test image_ops_test resize_test view_operations_test)
  decant_test(${test} LABEL unit LINKS decant::data)
  target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/data)
endforeach()
decant_test(external_view_test LABEL unit LINKS decant::data)
decant_test(fingerprint_test LABEL unit LINKS decant::data)
decant_test(token_view_test LABEL unit LINKS decant::data)
decant_test(npy_test LABEL unit LINKS decant::data LibArchive::LibArchive)
target_include_directories(npy_test PRIVATE ${PROJECT_SOURCE_DIR}/data)
decant_test(array_source_test LABEL unit LINKS decant::data LibArchive::LibArchive)

decant_test(select_test LABEL unit LINKS decant::select)
decant_test(row_kernels_test LABEL unit LINKS decant::select)
target_include_directories(row_kernels_test PRIVATE ${PROJECT_SOURCE_DIR})
decant_test(guest_labeller_test LABEL unit LINKS decant::select)
decant_test(label_writer_test LABEL unit LINKS decant::select)
decant_test(label_adviser_test LABEL unit LINKS decant::select)
decant_test(agreement_test LABEL unit LINKS decant::select)
decant_test(span_groups_test LABEL unit LINKS decant::select)
foreach(test stream_test stream_ranks_test store_set_test densify_test)
  decant_test(${test} LABEL unit LINKS decant::stream)
endforeach()

foreach(test coordinator_test dealer_test)
  decant_test(${test} LABEL unit LINKS decant::cluster)
  target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/cluster)
endforeach()
decant_test(run_job_test LABEL unit LINKS decant::cluster)
add_library(job_battery STATIC mpi/job_battery.cc)
target_link_libraries(job_battery PUBLIC decant::cluster decant_flags)
target_include_directories(job_battery PUBLIC ${PROJECT_SOURCE_DIR}/tests)
decant_test(conformance_test LABEL unit LINKS job_battery)
decant_test(sbatch_test LABEL unit LINKS decant::cluster)
decant_test(slurm_test LABEL unit LINKS decant::cluster)

decant_test(synthetic_teacher_test LABEL unit LINKS decant::bench)
decant_test(label_codecs_test LABEL unit LINKS decant::bench)
decant_test(sampler_test LABEL unit LINKS decant::bench)
decant_test(label_rows_test LABEL unit LINKS decant::bench)
foreach(test synthetic_teacher_test label_codecs_test sampler_test label_rows_test)
  target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/bench)
endforeach()

# The golden files, read by a second implementation; made by make_golden once for each version of the format.
add_executable(make_golden ${PROJECT_SOURCE_DIR}/tests/tools/make_golden.cc)
target_link_libraries(make_golden PRIVATE decant::store decant_flags)
foreach(test golden_test make_golden)
  target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/store ${PROJECT_SOURCE_DIR}/tests)
endforeach()
add_test(NAME read_golden
  COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/python/read_golden.py ${PROJECT_SOURCE_DIR}/tests/golden/v1)
set_tests_properties(read_golden PROPERTIES LABELS unit)
decant_test(exchange_test LABEL unit LINKS decant::exchange LibArchive::LibArchive)
target_include_directories(exchange_test PRIVATE ${PROJECT_SOURCE_DIR}/exchange)
decant_test(label_statistics_test LABEL unit LINKS decant::store)
target_include_directories(label_statistics_test PRIVATE ${PROJECT_SOURCE_DIR}/store)

# Image operations against Pillow's.
add_executable(image_ops ${PROJECT_SOURCE_DIR}/tests/tools/image_ops.cc)
target_link_libraries(image_ops PRIVATE decant::data decant_flags)
target_include_directories(image_ops PRIVATE ${PROJECT_SOURCE_DIR}/data)
add_test(NAME compare_views_with_pillow
  COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/python/compare_views_with_pillow.py $<TARGET_FILE:image_ops>)
set_tests_properties(compare_views_with_pillow PROPERTIES LABELS unit TIMEOUT 120)
# Images and tokens from files. The images are written by libjpeg and libpng, the tars by libarchive.
decant_test(decode_image_test LABEL unit LINKS decant::data JPEG::JPEG PNG::PNG)
decant_test(sample_index_test LABEL unit LINKS decant::data)
target_include_directories(sample_index_test PRIVATE ${PROJECT_SOURCE_DIR}/data)
foreach(test folder_source_test tar_source_test npy_source_test token_source_test)
  decant_test(${test} LABEL unit LINKS decant::data LibArchive::LibArchive JPEG::JPEG PNG::PNG)
endforeach()
add_executable(print_pixels ${PROJECT_SOURCE_DIR}/tests/tools/print_pixels.cc)
target_link_libraries(print_pixels PRIVATE decant::data decant_flags)
add_test(NAME compare_decoding_with_pillow
  COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/python/compare_decoding_with_pillow.py $<TARGET_FILE:print_pixels>)
set_tests_properties(compare_decoding_with_pillow PROPERTIES LABELS unit)

# What the preset asan builds: the tests of what reads bytes that others wrote, and of what counts its own in loops.
add_custom_target(memory_tests)
add_dependencies(memory_tests image_ops print_pixels
  record_test chunk_codec_test chunk_damage_test codec_cases_test codec_tables_test huffman_test bit_stream_test
  span_check_test schema_test ledger_test golden_test store_test verify_test repair_test follow_test
  view_renderer_test image_ops_test resize_test view_operations_test npy_test array_source_test decode_image_test
  sample_index_test folder_source_test tar_source_test npy_source_test token_source_test
  select_test row_kernels_test label_writer_test stream_test densify_test exchange_test)

# What the program tells of its runs.
decant_test(run_report_test LABEL unit LINKS decant::cluster nlohmann_json::nlohmann_json Threads::Threads)
target_sources(run_report_test PRIVATE ${PROJECT_SOURCE_DIR}/cli/console.cc ${PROJECT_SOURCE_DIR}/cli/run_report.cc
  ${PROJECT_SOURCE_DIR}/cli/run_status.cc ${PROJECT_SOURCE_DIR}/cli/run_texts.cc)
target_include_directories(run_report_test PRIVATE ${PROJECT_SOURCE_DIR}/cli)
