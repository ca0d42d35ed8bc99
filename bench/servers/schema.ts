/** As much of Curfew's schema as the others are asked for. */

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
