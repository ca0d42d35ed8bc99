/** The part of Curfew's schema that the benchmark queries. */

export const typeDefs = /* GraphQL */ `
  type Query {
    viewer: Viewer
  }
  type Viewer {
    user: User!
  }
  type User {
    id: ID!
  }
`;
