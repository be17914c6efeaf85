# Unit tests: pure code, and small stores in temporary directories. All of them together take seconds.
find_package(LibArchive REQUIRED)

decant_test(base_test LABEL unit LINKS decant::base)
decant_test(file_hash_test LABEL unit LINKS decant::base)
decant_test(random_test LABEL unit LINKS decant::base)

decant_test(record_test LABEL unit LINKS decant::store)
decant_test(layout_test LABEL unit LINKS decant::store)
decant_test(quantise_test LABEL unit LINKS decant::store)
decant_test(chunk_codec_test LABEL unit LINKS decant::store)
decant_test(chunk_damage_test LABEL unit LINKS decant::store)
decant_test(schema_test LABEL unit LINKS decant::store)
decant_test(ledger_test LABEL unit LINKS decant::store)
decant_test(golden_test LABEL unit LINKS decant::store)
decant_test(store_test LABEL unit LINKS decant::store)
decant_test(verify_test LABEL unit LINKS decant::store)
decant_test(repair_test LABEL unit LINKS decant::store)
decant_test(merge_test LABEL unit LINKS decant::store)
decant_test(expiry_test LABEL unit LINKS decant::store)
decant_test(follow_test LABEL unit LINKS decant::store)

decant_test(order_test LABEL unit LINKS decant::data)
decant_test(view_test LABEL unit LINKS decant::data)
decant_test(view_renderer_test LABEL unit LINKS decant::data)
decant_test(npy_test LABEL unit LINKS decant::data LibArchive::LibArchive)
target_include_directories(npy_test PRIVATE ${PROJECT_SOURCE_DIR}/data)
decant_test(array_source_test LABEL unit LINKS decant::data LibArchive::LibArchive)

decant_test(select_test LABEL unit LINKS decant::select)
decant_test(stream_test LABEL unit LINKS decant::stream)

decant_test(coordinator_test LABEL unit LINKS decant::cluster)
target_include_directories(coordinator_test PRIVATE ${PROJECT_SOURCE_DIR}/cluster)
decant_test(run_job_test LABEL unit LINKS decant::cluster)

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
