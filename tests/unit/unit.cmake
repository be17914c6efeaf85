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
