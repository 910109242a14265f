#include <stdio.h>
#include <vecmux/vecmux.h>

int
main(int argc, char **argv)
{
    vmx_error error = {0};
    vmx_client *client = NULL;
    vmx_index *index = NULL;
    vmx_op *op = NULL;
    float values[] = {0.1f, 0.7f, 0.2f};
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){values, 3};
    query.top_k = 5;
    vmx_config *config = vmx_config_new();
    if (vmx_config_set(config, VMX_STR("endpoint"), VMX_STR(argc > 1 ? argv[1] : "localhost:5081"), &error) ||
        vmx_client_open(config, &client, &error) || vmx_index_open(client, VMX_STR(""), VMX_STR(""), &index, &error) ||
        vmx_index_query(index, &query, NULL, &op, &error))
        fprintf(stderr, "%s\n", error.message);
    else if (vmx_op_wait(op, VMX_FOREVER)) /* or poll a queue, or watch its descriptor */
        fprintf(stderr, "%s\n", vmx_op_error(op)->message);
    for (size_t i = 0; op && i < vmx_op_match_count(op); i++)
        printf("%.*s %.3f\n", (int)vmx_op_match_id(op, i).len, vmx_op_match_id(op, i).ptr, vmx_op_match_score(op, i));
    bool failed = !op || vmx_op_status(op);
    vmx_op_free(op); /* any order of free is safe */
    vmx_index_free(index);
    vmx_client_free(client);
    vmx_config_free(config);
    return failed;
}
