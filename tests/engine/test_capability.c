/* The table of capabilities: whole, and true to what the engines have. */
#include <string.h>
#include <vecmux/vecmux.h>

#include "core/suite.h"
#include "engine/engine.h"

START_TEST(test_every_capability_has_name_and_help)
{
    for (unsigned c = 0; c < VMX_CAPABILITY_COUNT; c++) {
        ck_assert_ptr_nonnull(vmx_capability_name((vmx_capability)c));
        ck_assert_ptr_nonnull(vmx_capability_help((vmx_capability)c));
        for (unsigned other = 0; other < c; other++)
            ck_assert_str_ne(vmx_capability_name((vmx_capability)c), vmx_capability_name((vmx_capability)other));
    }
    ck_assert_ptr_null(vmx_capability_name((vmx_capability)VMX_CAPABILITY_COUNT));
    ck_assert_ptr_null(vmx_capability_help((vmx_capability)-1));
    ck_assert(!vmx_engine_supports(0, (vmx_capability)VMX_CAPABILITY_COUNT));
}
END_TEST

/* A part of an operation needs the operation. */
START_TEST(test_parts_belong_to_operations)
{
    static const vmx_capability pairs[][2] = {
        {VMX_CAN_HYBRID, VMX_CAN_SPARSE},           {VMX_CAN_FETCH_BY_FILTER, VMX_CAN_FETCH},
        {VMX_CAN_LIST_PREFIX, VMX_CAN_LIST},        {VMX_CAN_UPDATE_VALUES, VMX_CAN_UPDATE},
        {VMX_CAN_UPDATE_BY_FILTER, VMX_CAN_UPDATE}, {VMX_CAN_UPDATE_DRY_RUN, VMX_CAN_UPDATE},
        {VMX_CAN_DELETE_BY_FILTER, VMX_CAN_DELETE}, {VMX_CAN_DELETE_ALL, VMX_CAN_DELETE},
        {VMX_CAN_QUERY_BY_ID, VMX_CAN_QUERY},       {VMX_CAN_LIST_NAMESPACES, VMX_CAN_NAMESPACES},
    };
    for (size_t i = 0; vmx_engine_name(i) != NULL; i++)
        for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++)
            ck_assert_msg(!vmx_engine_supports(i, pairs[p][0]) || vmx_engine_supports(i, pairs[p][1]), "%s: %s",
                          vmx_engine_name(i), vmx_capability_name(pairs[p][0]));
}
END_TEST

/* Every engine can be configured, and a client's answer is its engine's. */
START_TEST(test_a_client_answers_for_its_engine)
{
    for (size_t i = 0; vmx_engine_name(i) != NULL; i++) {
        vmx_client *client;
        vmx_error error;
        vmx_config *config = vmx_config_new();
        ck_assert_int_eq(vmx_config_set(config, VMX_STR("engine"), VMX_STR(vmx_engine_name(i)), &error), VMX_OK);
        ck_assert_int_eq(vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("127.0.0.1:1"), &error), VMX_OK);
        ck_assert_msg(vmx_client_open(config, &client, &error) == VMX_OK, "%s", error.message);
        for (unsigned c = 0; c <= VMX_CAPABILITY_COUNT; c++)
            ck_assert_int_eq(vmx_client_supports(client, (vmx_capability)c), vmx_engine_supports(i, (vmx_capability)c));
        ck_assert_int_eq(vmx_client_close(client, 5000, NULL), VMX_OK);
        vmx_client_free(client);
        vmx_config_free(config);
    }
}
END_TEST

START_TEST(test_what_is_not_there_is_refused_by_name)
{
    vmx_engine engine = {.vtable = vmx_engine_vtable_at(0)};
    vmx_error error;
    ck_assert_str_eq(engine.vtable->name, "pinecone");
    ck_assert_int_eq(vmx_engine_check(&engine, VMX_CAN_UPSERT, &error), VMX_OK);
    ck_assert_int_eq(vmx_engine_check(&engine, VMX_CAN_ENSURE, &error), VMX_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(
        strstr(error.message, "ensure: the engine pinecone cannot do this: the endpoint is the index"));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_every_capability_has_name_and_help, test_parts_belong_to_operations,
                                  test_a_client_answers_for_its_engine, test_what_is_not_there_is_refused_by_name,
                                  NULL};
    return run_suite("engine capability", tests);
}
